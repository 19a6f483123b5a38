"""What results say to their readers."""
