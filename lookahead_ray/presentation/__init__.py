"""What people see of a sweep: tables, the live view, the picture, the model card, its status."""
