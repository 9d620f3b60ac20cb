"""A codec for tests that works on tensors of torch: values as binary16."""
import kvstone_codec
import torch


def encode(tensor, context):
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32 and tuple(tensor.shape) == context.shape
    print("this goes to standard error")
    return tensor.half().numpy().tobytes()


def decode(data, context):
    return torch.frombuffer(bytearray(data), dtype=torch.float16).reshape(context.shape)


kvstone_codec.serve(encode, decode)
