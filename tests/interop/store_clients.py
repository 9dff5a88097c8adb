"""Does every operation of PyTorch's TCPStore client that this release has, against the server at HOST PORT.

A third argument is the length of the long value: the recordings in tests/store/transcripts have a short one. A fourth
is the server's back end, for releases with two; with "legacy" queues are left out.
"""

import datetime
import sys
import threading
import time

import torch
import torch.distributed as dist


TIMEOUT = datetime.timedelta(seconds=30)
SHORT_TIMEOUT = datetime.timedelta(milliseconds=300)


def connect(world_size=None):
    options = {"use_libuv": backend == "libuv"} if backend else {}
    return dist.TCPStore(sys.argv[1], int(sys.argv[2]), world_size, False, TIMEOUT, **options)


def ended_by(action, other_action):
    """What `action` returns, which waits for `other_action`."""

    def later():
        # Long enough for the request to be under way; should it be late, the outcome is the same.
        time.sleep(0.2)
        other_action()

    thread = threading.Thread(target=later)
    thread.start()
    result = action()
    thread.join()
    return result


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
store.wait(["k", "n"], TIMEOUT)
keys = store.num_keys()
assert keys == 4, keys
assert store.delete_key("empty") is True
assert store.delete_key("empty") is False
assert store.compare_set("k", "v", "w") == b"w"
assert store.compare_set("k", "v", "x") == b"w"
assert store.compare_set("absent", "x", "y") == b"x"
assert store.compare_set("absent", "", "y") == b"y"
assert store.compare_set("absent", "", "z") == b"y"
store.set("\u00fc", b"\x00\xff")
assert store.get("\u00fc") == b"\x00\xff"
store.set("prefix", "12abc")
assert store.add("prefix", 1) == 13
store.wait([])
other = connect(world_size=1)
assert other.add("n", 0) == -3
ended_by(lambda: store.wait(["late", "later"], TIMEOUT), lambda: [other.set(key, "v") for key in ("late", "later")])
assert ended_by(lambda: store.get("sum"), lambda: other.add("sum", 1)) == b"1"
if hasattr(store, "check"):
    done.append("check")
    assert store.check(["k"]) is True
    assert store.check(["k", "nope"]) is False
    assert store.check([]) is True
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
    assert ended_by(lambda: store.multi_get(["m3", "m1"]), lambda: other.multi_set(["m3"], ["3"])) == [b"3", b"1"]
if hasattr(store, "queue_push") and backend != "legacy":
    done += ["queue_push", "queue_pop", "queue_len"]
    store.queue_push("q", "v1")
    store.queue_push("q", "v2")
    assert store.queue_len("q") == 2
    assert store.queue_pop("q") == b"v1"
    assert store.queue_pop("q", False) == b"v2"
    assert store.queue_len("q") == 0
    assert ended_by(lambda: store.queue_pop("q"), lambda: other.queue_push("q", "v3")) == b"v3"
    store.set_timeout(SHORT_TIMEOUT)
    assert times_out(lambda: store.queue_pop("q"))
    store.set_timeout(TIMEOUT)
if hasattr(store, "barrier"):
    done.append("barrier")
    store.barrier("b", 1, TIMEOUT)
    ended_by(lambda: store.barrier("b2", 2, TIMEOUT), lambda: other.barrier("b2", 2, TIMEOUT))
    assert times_out(lambda: store.barrier("b3", 2, SHORT_TIMEOUT))
if hasattr(store, "clone"):
    done.append("clone")
    clone = store.clone()
    assert clone.get("k") == b"w"

# Last: before 2.1 a wait that timed out leaves the connection with a reply that nobody expects.
assert times_out(lambda: store.wait(["never"], SHORT_TIMEOUT))
if hasattr(store, "append"):
    # From 2.1 on as well, if without a method of its own.
    done.append("cancel_wait")
    assert store.get("k") == b"w"
    store.set_timeout(SHORT_TIMEOUT)
    assert times_out(lambda: store.get("never"))
print(torch.__version__.split("+")[0], *done)
