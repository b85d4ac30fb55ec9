"""What is read from footage, and made from it, by processes beside the server. Door: `darkroom.Darkroom`."""
