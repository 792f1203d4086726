"""Channel Access on asyncio: `caproto.asyncio.client` and `caproto.asyncio.server`."""
