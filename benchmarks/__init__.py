"""What failing over costs: ours and its peers measured side by side; see README.md."""
