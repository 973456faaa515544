"""Trains one trial: network, optimizer, loop, evaluation, device."""
