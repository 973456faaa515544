"""Trains one trial: network, optimizer, training loop, evaluation, device."""
