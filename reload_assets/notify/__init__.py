"""Says to people what happened to reloads, requests and CDC tasks: each event once per channel."""
