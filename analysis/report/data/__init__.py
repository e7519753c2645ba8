"""Data of each figure and table: functions from Arrow tables to Arrow tables."""
