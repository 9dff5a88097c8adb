"""Does every operation of PyTorch's TCPStore client that this release has, against the server at HOST PORT.

A third argument is the length of the long value: the recordings in tests/store/transcripts have a short one. A fourth
is the server's back end, for releases with two; with "legacy" queues are left out.
"""

import datetime
import sys

import torch
import torch.distributed as dist


def connect():
    options = {"use_libuv": backend == "libuv"} if backend else {}
    return dist.TCPStore(sys.argv[1], int(sys.argv[2]), None, False, datetime.timedelta(seconds=30), **options)


def times_out(action):
    try:
        action()
    except Exception as error:
        return "imed out" in str(error) or "imeout" in str(error) or "wait timeout" in str(error).lower()
    return False


backend = sys.argv[4] if len(sys.argv) > 4 else None
store = connect()
done = ["set", "get", "add", "num_keys", "compare_set", "wait", "delete_key"]
store.set("k", "v")
assert store.get("k") == b"v"
if hasattr(store, "list_keys"):
    # First, with one key: the order of several is PyTorch's secret.
    done.append("list_keys")
    assert [key.strip("/") for key in store.list_keys()] == ["k"]
store.set("empty", "")
assert store.get("empty") == b""
length = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
store.set("long", "x" * length)
assert store.get("long") == b"x" * length
assert store.add("n", 5) == 5
assert store.add("n", -8) == -3
assert store.get("n") == b"-3"
store.wait(["k", "n"], datetime.timedelta(seconds=5))
keys = store.num_keys()
assert keys == 4, keys
assert store.delete_key("empty") is True
assert store.delete_key("empty") is False
assert store.compare_set("k", "v", "w") == b"w"
assert store.compare_set("k", "v", "x") == b"w"
assert store.compare_set("absent", "x", "y") == b"x"
assert store.compare_set("absent", "", "y") == b"y"
if hasattr(store, "check"):
    done.append("check")
    assert store.check(["k"]) is True
    assert store.check(["k", "nope"]) is False
prefixed = dist.PrefixStore("p", store)
prefixed.set("k", "inner")
assert store.get("p/k") == b"inner"

if hasattr(store, "append"):
    done.append("append")
    store.append("list", "a")
    store.append("list", "b")
    assert store.get("list") == b"ab"
if hasattr(store, "multi_set"):
    done += ["multi_set", "multi_get"]
    store.multi_set(["m1", "m2"], ["1", "2"])
    assert store.multi_get(["m2", "m1"]) == [b"2", b"1"]
if hasattr(store, "queue_push") and backend != "legacy":
    done += ["queue_push", "queue_pop", "queue_len"]
    store.queue_push("q", "v1")
    store.queue_push("q", "v2")
    assert store.queue_len("q") == 2
    assert store.queue_pop("q") == b"v1"
    assert store.queue_pop("q", False) == b"v2"
    assert store.queue_len("q") == 0
if hasattr(store, "barrier"):
    done.append("barrier")
    store.barrier("b", 1, datetime.timedelta(seconds=5))
if hasattr(store, "clone"):
    done.append("clone")
    clone = store.clone()
    assert clone.get("k") == b"w"

# Last: before 2.1 a wait that timed out leaves the connection with a reply that nobody expects.
assert times_out(lambda: store.wait(["never"], datetime.timedelta(milliseconds=300)))
if torch.__version__ >= "2.1":
    done.append("cancel_wait")
    assert store.get("k") == b"w"
print(torch.__version__.split("+")[0], *done)
