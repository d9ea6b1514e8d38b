"""The native CPU engine: depthwise convolutions in C++, an optional part of the package."""
