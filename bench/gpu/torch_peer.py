"""torch_peer: PyTorch's ResNet-50 of 102 classes, fp16, channels last, in a CUDA graph: microseconds a replay."""
import json, sys, time
import torch, torchvision
torch.backends.cudnn.benchmark = True
model = torchvision.models.resnet50(weights=None, num_classes=102).eval().half().cuda().to(memory_format=torch.channels_last)
rows = {}
with torch.inference_mode():
    for batch in [int(b) for b in sys.argv[1].split(",")]:
        x = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.half).to(memory_format=torch.channels_last)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                y = torch.softmax(model(x), 1)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = torch.softmax(model(x), 1)
        for _ in range(5):
            graph.replay()
        torch.cuda.synchronize()
        times = []
        for _ in range(100):
            a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            a.record(); graph.replay(); b.record(); b.synchronize()
            times.append(a.elapsed_time(b) * 1e3)
        times.sort()
        rows[batch] = {"p50_us": times[50], "p10_us": times[10], "p90_us": times[90], "img_s": batch / times[50] * 1e6}
        print(f"torch {torch.__version__} batch {batch}: p50 {times[50]:.1f} us, {batch / times[50] * 1e6:.0f} img/s", flush=True)
print(json.dumps(rows))
