"""What lies below all others: files and folders, and what the system says about them."""
