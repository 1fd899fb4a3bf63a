"""Those who use the cloud: what they ask for, and how they judge it."""
