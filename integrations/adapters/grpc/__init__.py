"""The adapter `grpc.call`: methods of gRPC servers, without generated code."""
