"""What each figure and table shows: Arrow tables in, Arrow tables out."""
