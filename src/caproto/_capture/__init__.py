"""Channel Access in captured network traffic; what ``caproto-shark`` is made of."""
