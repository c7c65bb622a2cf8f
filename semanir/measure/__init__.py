"""What networks and attention cost: parameters, multiply-adds, time, memory, and a price."""
