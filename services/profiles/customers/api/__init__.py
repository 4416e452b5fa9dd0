"""The gRPC methods of customers."""
