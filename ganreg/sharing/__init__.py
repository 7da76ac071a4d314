"""What leaves a run: folders that others use without it, the card that says what they hold, the hub."""
