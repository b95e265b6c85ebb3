"""cudnn_layers: cuDNN's own best plan for each convolution of ResNet-50, one at a time: microseconds, and the sum over the net.

    python3 bench/gpu/cudnn_layers.py 1,8,32,128

fp16, channels last, bias, ReLU and residual fused as cuDNN offers it (cudnn_convolution_relu, cudnn_convolution_add_relu), else
convolution and bias; the faster of both counts. cuDNN times its plans itself (benchmark mode). Ten in a row in a CUDA graph, so
weights come from L2: it is the counterpart of `kernel_bench layers`, not of the whole net.
"""
import json
import sys

import torch
import torchvision

torch.backends.cudnn.benchmark = True
REPEATS = 10


def graph_us(call):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            call()
    times = []
    for _ in range(12):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        graph.replay()
        b.record()
        b.synchronize()
        times.append(a.elapsed_time(b) * 1e3 / REPEATS)
    return sorted(times)[len(times) // 2]


def layers(batch):
    """(input shape, conv, with residual, how often) of the net."""
    net = torchvision.models.resnet50(weights=None, num_classes=102).eval()
    found = {}

    def see(name):
        def hook(module, inputs):
            residual = name.endswith("conv3")
            key = (tuple(inputs[0].shape[1:]), module.out_channels, module.kernel_size, module.stride, module.padding, residual)
            found.setdefault(key, [module, 0])[1] += 1
        return hook

    for name, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(see(name))
    with torch.inference_mode():
        net(torch.zeros(1, 3, 224, 224))
    return [((batch, *key[0]), module, key[5], n) for key, (module, n) in found.items()]


rows = {}
with torch.inference_mode():
    for batch in [int(b) for b in sys.argv[1].split(",")]:
        total = 0.0
        for shape, conv, residual, times in layers(batch):
            make = lambda *s: torch.randn(*s, device="cuda", dtype=torch.half).to(memory_format=torch.channels_last)
            x, w = make(*shape), make(*conv.weight.shape)
            bias = torch.randn(conv.out_channels, device="cuda", dtype=torch.half)
            stride, padding = conv.stride, conv.padding
            z = torch.nn.functional.conv2d(x, w, bias, stride, padding)
            ways = {"plain": lambda: torch.nn.functional.conv2d(x, w, bias, stride, padding)}
            if residual:
                ways["fused"] = lambda: torch.cudnn_convolution_add_relu(x, w, z, 1.0, bias, stride, padding, (1, 1), 1)
            else:
                ways["fused"] = lambda: torch.cudnn_convolution_relu(x, w, bias, stride, padding, (1, 1), 1)
            us = {}
            for way, call in ways.items():
                try:
                    us[way] = graph_us(call)
                except RuntimeError:
                    torch.cuda.synchronize()
            best = min(us.values())
            total += best * times
            label = f"{shape[1]}->{conv.out_channels} {conv.kernel_size[0]}x{conv.kernel_size[0]}/{stride[0]} on {shape[2]}" + (" +res" if residual else "")
            print(f"cudnn batch {batch}: {best:8.2f} us x{times}  {label}  {min(us, key=us.get)}", flush=True)
        rows[batch] = round(total, 1)
        print(f"cudnn batch {batch}: sum of the best {total:.1f} us", flush=True)
print(json.dumps(rows))
