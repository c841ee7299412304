"""Jobs: the queue, the worker, run folders, events and their ingestion. Knows no kind of job by itself."""
