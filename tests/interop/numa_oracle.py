"""PyTorch's own NUMA binding on machines that exist only in memory: reads cases as JSON, prints for each case, mode and
device the CPUs, or the error. Only where files, devices and the affinity come from is replaced."""

import io
import json
import os
import posixpath
import sys
import types

import torch
import torch.numa.binding as binding


class Machine:
    def __init__(self, case):
        self.files, self.allowed, self.addresses = case["files"], set(case["allowed"]), case["addresses"]

    def open(self, path):
        if path in self.files:
            return io.StringIO(self.files[path])
        if case_is_real:
            return open(path)
        raise FileNotFoundError(path)

    def listdir(self, path):
        if case_is_real:
            return os.listdir(path)
        names = {name[len(path) + 1 :].split("/")[0] for name in self.files if name.startswith(path + "/")}
        if not names:
            raise FileNotFoundError(path)
        return sorted(names)

    def properties(self, index):
        domain, bus, rest = self.addresses[index].split(":")
        return types.SimpleNamespace(
            pci_domain_id=int(domain, 16), pci_bus_id=int(bus, 16), pci_device_id=int(rest[:2], 16)
        )


results = []
for case in json.load(sys.stdin):
    machine, case_is_real = Machine(case), case["real"]
    binding.open = machine.open
    binding.os = types.SimpleNamespace(
        listdir=machine.listdir, path=posixpath, sched_getaffinity=lambda _: set(machine.allowed)
    )
    binding.shutil = types.SimpleNamespace(which=lambda name: name)
    torch.accelerator.is_available = lambda: bool(machine.addresses)
    torch.accelerator.current_accelerator = lambda: "cuda"
    torch.accelerator.device_count = lambda: len(machine.addresses)
    torch.get_device_module = lambda _: types.SimpleNamespace(get_device_properties=machine.properties)
    found = []
    for mode in case["modes"]:
        options = binding.NumaOptions(affinity_mode=binding.AffinityMode(mode))
        for index in range(len(machine.addresses)):
            try:
                cpus = binding._get_validated_logical_cpus_to_bind_to(device_index=index, numa_options=options)
                found.append(sorted(cpus))
            except Exception as error:
                found.append(f"{type(error).__name__}: {error}")
    results.append(found)
print(json.dumps(results))
