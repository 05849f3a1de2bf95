"""What an image is taught: its label, or a mixture of the label and what a model predicts."""
