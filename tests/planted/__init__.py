"""Generated datasets with planted defects, and clean datasets, for measuring a dataset examiner."""
