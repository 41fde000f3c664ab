"""How rows reach staging."""
