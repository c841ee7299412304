"""Every file format to records, one file per family. Start at `sniff.form_of` (what is it?) and `base` (what a reader gives)."""
