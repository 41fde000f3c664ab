"""What becomes of the source's values in the types that production has: kept, refused or changed."""
