"""Options of producers and consumers: keyword arguments of their constructors.

Written by make_options.py from the tables that all languages share. Durations are seconds, timedelta, or text with its unit
("500ms", "3s", "5m").
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias, TypedDict

Duration: TypeAlias = float | str | timedelta


class ProducerOptions(TypedDict, total=False):
    """Options of producers."""

    client_ip: str
    """First part of the client id. Default: this machine's address on the way to the name server."""
    instance_name: str
    """Second part of the client id; DEFAULT becomes a unique one. Default: DEFAULT."""
    unit_name: str
    """Third part of the client id."""
    route_interval: Duration
    """How often routes are refreshed. Default: 30s."""
    heartbeat_interval: Duration
    """How often brokers hear from this client; they forget it after 120 s of silence. Default: 30s."""
    api_timeout: Duration
    """Budget of one route query, offset question or other metadata call. Default: 3s."""
    connect_timeout: Duration
    """Longest time for one connect; it counts into the request's budget. Default: 3s."""
    header_codec: Literal["json", "binary"]
    """How headers are written: json, which every server reads, or the shorter binary form. Default: json."""
    send_timeout: Duration
    """Budget of one send: waiting for a place, route query, connecting, all attempts. Default: 3s."""
    attempt_timeout: Duration
    """Most time for one attempt while another one remains. Default: half of what is left."""
    retries: int
    """Attempts after the first. 0 to 1000. Default: 2."""
    retry_not_store_ok: bool
    """A status other than SEND_OK is a reason to try another broker. Default: false."""
    max_message_size: int
    """Largest body in bytes, before compression. 1 to 2147483647. Default: 4194304."""
    compress_over: int
    """Bodies of at least this many bytes are compressed. 0 to 2147483647. Default: 4096."""
    compression: Literal["zlib", "lz4", "zstd"]
    """How bodies are compressed. Clients before 4.9.4 and those in Go and C++ read zlib only. Default: zlib."""
    compress_level: int
    """Level of the compression. 0 to 9. Default: 5."""
    create_topic_key: str
    """Template of topics that the broker creates by itself. Default: TBW102."""
    default_topic_queues: int
    """Queues of topics that the broker creates by itself. 1 to 65535. Default: 4."""
    in_flight_max: int
    """Sends under way at a time; further ones wait. 1 to 1000000. Default: 1024."""
    in_flight_bytes_max: int
    """Bytes of bodies under way at a time; further sends wait. 1 to 2147483647. Default: 104857600."""
    latency_fault: bool
    """Avoid brokers that were slow or failed for a while. Default: false."""
    queue_count_max: int
    """Enqueued messages that may wait; at the limit enqueuing fails. 1 to 100000000. Default: 100000."""
    queue_bytes_max: int
    """Bytes of enqueued bodies that may wait; at the limit enqueuing fails. 1 to 9223372036854775807. Default:
    134217728."""


class PushOptions(TypedDict, total=False):
    """Options of push consumers."""

    client_ip: str
    """First part of the client id. Default: this machine's address on the way to the name server."""
    instance_name: str
    """Second part of the client id; DEFAULT becomes a unique one. Default: DEFAULT."""
    unit_name: str
    """Third part of the client id."""
    route_interval: Duration
    """How often routes are refreshed. Default: 30s."""
    heartbeat_interval: Duration
    """How often brokers hear from this client; they forget it after 120 s of silence. Default: 30s."""
    api_timeout: Duration
    """Budget of one route query, offset question or other metadata call. Default: 3s."""
    connect_timeout: Duration
    """Longest time for one connect; it counts into the request's budget. Default: 3s."""
    header_codec: Literal["json", "binary"]
    """How headers are written: json, which every server reads, or the shorter binary form. Default: json."""
    message_model: Literal["clustering", "broadcasting"]
    """One member of the group gets a message, or every member does. Default: clustering."""
    consume_from: Literal["first", "last"] | int | datetime
    """Where queues without a committed offset begin: first, last, or a time in milliseconds since 1970. Default:
    last."""
    allocate: Literal["averagely", "circle"]
    """How queues are shared out; the same in all members of the group. Default: averagely."""
    concurrency: int
    """Listeners at a time. 1 to 1000. Default: 20."""
    max_span: int
    """Largest distance between first and last cached offset of a queue; at the limit it is not pulled. 1 to 65535.
    Default: 2000."""
    cache_count_per_queue: int
    """Cached messages of a queue above which it is not pulled. 1 to 65535. Default: 1000."""
    cache_bytes_per_queue: int
    """Cached bytes of a queue above which it is not pulled. 1 to 1073741824. Default: 104857600."""
    cache_count_total: int
    """Cached messages of all own queues, divided among them. Default: only the limit per queue. 1 to 6553500."""
    cache_bytes_total: int
    """Cached bytes of all own queues, divided among them. Default: only the limit per queue. 1 to 107374182400."""
    pull_interval: Duration
    """Pause after a pull that found messages. Default: 0s."""
    pull_batch_size: int
    """Messages per pull; brokers have a limit of their own (usually 32). 1 to 1024. Default: 32."""
    pull_batch_bytes: int
    """Bytes per pull. 1 to 2147483647. Default: 262144."""
    pull_error_pause: Duration
    """Pause after a failed pull. Default: 1s."""
    broker_suspend: Duration
    """How long a broker may hold a pull that finds nothing; at most 29 s. Default: 15s."""
    batch_size: int
    """Messages of a queue that one orderly listener gets before another queue's turn. 1 to 1024. Default: 32."""
    max_reconsume_times: int
    """Deliveries after the first before a message becomes a dead letter. Default: 16; in order, no end. 0 to
    2147483647."""
    suspend: Duration
    """Pause of an ordered queue after a failure, 10 ms to 30 s. Default: 1s."""
    consume_timeout: Duration
    """A message that an unordered listener has had for longer is sent back. Default: 15m."""
    commit_interval: Duration
    """How often offsets are committed. Default: 5s."""
    drain_timeout: Duration
    """How long closing waits for listeners that are running. Default: 10s."""
    local_offset_dir: str
    """Where a broadcasting consumer keeps its offsets. Default: ~/.rocketmq_offsets."""


class LiteOptions(TypedDict, total=False):
    """Options of lite pull consumers."""

    client_ip: str
    """First part of the client id. Default: this machine's address on the way to the name server."""
    instance_name: str
    """Second part of the client id; DEFAULT becomes a unique one. Default: DEFAULT."""
    unit_name: str
    """Third part of the client id."""
    route_interval: Duration
    """How often routes are refreshed. Default: 30s."""
    heartbeat_interval: Duration
    """How often brokers hear from this client; they forget it after 120 s of silence. Default: 30s."""
    api_timeout: Duration
    """Budget of one route query, offset question or other metadata call. Default: 3s."""
    connect_timeout: Duration
    """Longest time for one connect; it counts into the request's budget. Default: 3s."""
    header_codec: Literal["json", "binary"]
    """How headers are written: json, which every server reads, or the shorter binary form. Default: json."""
    message_model: Literal["clustering", "broadcasting"]
    """The group shares the queues, or every member has all. Default: clustering."""
    consume_from: Literal["first", "last"] | int | datetime
    """Where queues without a committed offset begin: first, last, or a time in milliseconds since 1970. Default:
    last."""
    allocate: Literal["averagely", "circle"]
    """How queues are shared out; the same in all members of the group. Default: averagely."""
    auto_commit: bool
    """What a poll returned is committed by later polls. Default: true."""
    auto_commit_interval: Duration
    """How often that happens. Default: 5s."""
    pull_batch_size: int
    """Messages per pull and most messages per poll. 1 to 1024. Default: 32."""
    pull_batch_bytes: int
    """Bytes per pull. 1 to 2147483647. Default: 262144."""
    cache_count_total: int
    """Cached messages of all queues above which none is pulled. 1 to 6553500. Default: 10000."""
    cache_count_per_queue: int
    """Cached messages of a queue above which it is not pulled. 1 to 65535. Default: 1000."""
    cache_bytes_per_queue: int
    """Cached bytes of a queue above which it is not pulled. 1 to 1073741824. Default: 104857600."""
    pull_error_pause: Duration
    """Pause after a failed pull. Default: 1s."""
    broker_suspend: Duration
    """How long a broker may hold a pull that finds nothing; at most 29 s. Default: 20s."""
    local_offset_dir: str
    """Where a broadcasting consumer keeps its offsets. Default: ~/.rocketmq_offsets."""
