"""A loss that cares less for what is already right."""
