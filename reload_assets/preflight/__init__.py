"""What a reload needs of both databases and of DMS, looked at before anything is loaded."""
