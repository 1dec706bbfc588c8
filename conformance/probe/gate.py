#!/usr/bin/env python3
"""Starts `ferromq standalone` on free ports and compares its answers with those of Apache 5.4.0.

  gate.py FERROMQ [CASE-GLOB ...]
  gate.py --document                prints docs/differences.md, which says the same as differences.txt

Runs the cases of covered.txt (or the given ones) with both header codecs, ignores what differences.txt explains, prints
every difference, and ends with `N passed, N failed`. The broker ends when this program closes its standard input.
"""
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = """autoCreateTopicEnable=true
enablePropertyFilter=true
traceTopicEnable=true
transactionCheckInterval=3000
recallMessageEnable=true
registerNameServerPeriod=10000
waitTimeMillsInSendQueue=5000
"""


DOCUMENT = os.path.join(HERE, "..", "..", "docs", "differences.md")
HEAD = """# Differences from Apache RocketMQ 5.4.0

Requests to a broker and a name server, with the answers that Apache's gave, are sent to ours by every run of `cargo xtask test` (suite
`probe`): the answers are the same, in both header codecs, but for these. Generated from `conformance/probe/differences.txt`, which the
comparison itself reads; what is not listed may not differ. A case is a name of the files in `conformance/probe/cases`; behind it stands
what differs in its answer, as a regular expression of the path.

Left out of the comparison, with the feature each waits for:

"""


def document():
    """The page of differences."""
    out = [HEAD]
    with open(os.path.join(HERE, "covered.txt")) as f:
        for line in f:
            if line.startswith("!"):
                cases, _, feature = line[1:].partition("#")
                out.append("* `%s`: %s\n" % (cases.strip(), feature.strip()))
    with open(os.path.join(HERE, "differences.txt")) as f:
        blocks = f.read().split("\n\n")[1:]           # the first one is about the file
    for block in blocks:
        if block.startswith("## "):
            out.append("\n%s\n" % block.strip())
            continue
        reason = [x[1:].strip() for x in block.splitlines() if x.startswith("#")]
        cases = [x.split() for x in block.splitlines() if x and not x.startswith("#")]
        out.append("\n%s\n\n" % " ".join(reason))
        out += ["* `%s`%s\n" % (c[0], " at `%s`" % c[1] if len(c) > 1 else "") for c in cases]
    return "".join(out)


def lines(name):
    with open(os.path.join(HERE, name)) as f:
        return [x.split("#")[0].strip() for x in f if x.split("#")[0].strip()]


def chosen(names, globs):
    """The names that a glob takes in and no `!glob` leaves out."""
    def matches(name, some):
        return any(fnmatch.fnmatchcase(name, g) for g in some)
    out = [g[1:] for g in globs if g.startswith("!")]
    return [n for n in names if matches(n, [g for g in globs if g[0] != "!"]) and not matches(n, out)]


def start(ferromq, folder):
    conf = os.path.join(folder, "broker.conf")
    with open(conf, "w") as f:
        f.write(SETTINGS)
    log = open(os.path.join(folder, "ferromq.log"), "w")
    process = subprocess.Popen([ferromq, "standalone", "--ephemeral", "--json", "--config", conf],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    line = process.stdout.readline()
    try:
        return process, json.loads(line)
    except ValueError:
        process.kill()
        sys.exit("ferromq did not start: %r %s" % (line, open(log.name).read()))


def probe(*args):
    return subprocess.run([sys.executable, os.path.join(HERE, "probe.py"), *args], text=True, stdout=subprocess.PIPE)


def main():
    if sys.argv[1:] == ["--document"]:
        sys.exit(print(document(), end=""))
    ferromq, wanted = sys.argv[1], sys.argv[2:]
    names = [x.split()[0] for x in probe("list").stdout.splitlines()]
    cases = chosen(names, wanted or lines("covered.txt"))
    only = [x for n in cases for x in ("--only", n)]
    with tempfile.TemporaryDirectory(prefix="ferromq-probe-") as folder:
        broker, where = start(ferromq, folder)
        try:
            mine = os.path.join(folder, "mine.jsonl")
            probe("run", "--namesrv", where["namesrv"], "--broker", where["broker"], "--codec", "both", "--out", mine, *only)
            diff = probe("diff", os.path.join(HERE, "baseline", "5.4.0.jsonl"), mine, "--ignore",
                         os.path.join(HERE, "differences.txt"), *only)
        finally:
            broker.stdin.close()
            try:
                broker.wait(timeout=20)
            except subprocess.TimeoutExpired:
                broker.kill()
    print(diff.stdout)
    counted = re.search(r"(\d+) same, (\d+) differ, (\d+) missing", diff.stdout)
    same, differ, missing = (int(x) for x in counted.groups()) if counted else (0, 1, 0)
    with open(DOCUMENT) as f:
        if f.read() != document():
            print("docs/differences.md is out of date; conformance/probe/gate.py --document prints it")
            differ += 1
    print("%d cases: %d passed, %d failed" % (len(cases), same, differ + missing))
    sys.exit(0 if counted and differ + missing == 0 else 1)


if __name__ == "__main__":
    main()
