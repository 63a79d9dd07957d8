"""Whole networks as data: layers around a recurrent network, losses, and training.

``layers`` says what a network is; ``network`` runs it and takes its gradients; ``training`` changes its
parameters.
"""
