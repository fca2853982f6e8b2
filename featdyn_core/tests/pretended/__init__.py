"""A CUDA device that is pretended on the CPU: GPU code is rehearsed on it, and its faults are found."""
