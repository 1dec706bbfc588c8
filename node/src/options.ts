/* Written by scripts/generate.mjs from the tables of bindings/bridge: do not edit. */

/** Settings of a producer. */
export interface ProducerSettings {
  /** Name servers, host:port;host:port. Default: the environment variable NAMESRV_ADDR. */
  namesrv?: string | undefined
  /** First part of the client id. Default: this machine's address on the way to the name server. */
  clientIp?: string | undefined
  /** Second part of the client id; DEFAULT becomes a unique one. Default: `DEFAULT`. */
  instanceName?: string | undefined
  /** Third part of the client id. */
  unitName?: string | undefined
  /** How often routes are refreshed. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `30s`. */
  routeInterval?: number | string | undefined
  /** How often brokers hear from this client; they forget it after 120 s of silence. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `30s`. */
  heartbeatInterval?: number | string | undefined
  /** Budget of one route query, offset question or other metadata call. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  apiTimeout?: number | string | undefined
  /** Longest time for one connect; it counts into the request's budget. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  connectTimeout?: number | string | undefined
  /** How headers are written: json, which every server reads, or the shorter binary form. Default: `json`. */
  headerCodec?: 'json' | 'binary' | undefined
  /** Budget of one send: waiting for a place, route query, connecting, all attempts. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  sendTimeout?: number | string | undefined
  /** Most time for one attempt while another one remains. Default: half of what is left. Milliseconds, or text like `500ms`, `3s`, `5m`. */
  attemptTimeout?: number | string | undefined
  /** Attempts after the first. From 0 to 1000. Default: `2`. */
  retries?: number | undefined
  /** A status other than SEND_OK is a reason to try another broker. Default: `false`. */
  retryNotStoreOk?: boolean | undefined
  /** Largest body in bytes, before compression. From 1 to 2147483647. Default: `4194304`. */
  maxMessageSize?: number | undefined
  /** Bodies of at least this many bytes are compressed. From 0 to 2147483647. Default: `4096`. */
  compressOver?: number | undefined
  /** How bodies are compressed. Clients before 4.9.4 and those in Go and C++ read zlib only. Default: `zlib`. */
  compression?: 'zlib' | 'lz4' | 'zstd' | undefined
  /** Level of the compression. From 0 to 9. Default: `5`. */
  compressLevel?: number | undefined
  /** Template of topics that the broker creates by itself. Default: `TBW102`. */
  createTopicKey?: string | undefined
  /** Queues of topics that the broker creates by itself. From 1 to 65535. Default: `4`. */
  defaultTopicQueues?: number | undefined
  /** Sends under way at a time; further ones wait. From 1 to 1000000. Default: `1024`. */
  inFlightMax?: number | undefined
  /** Bytes of bodies under way at a time; further sends wait. From 1 to 2147483647. Default: `104857600`. */
  inFlightBytesMax?: number | undefined
  /** Avoid brokers that were slow or failed for a while. Default: `false`. */
  latencyFault?: boolean | undefined
  /** Enqueued messages that may wait; at the limit enqueuing fails. From 1 to 100000000. Default: `100000`. */
  queueCountMax?: number | undefined
  /** Bytes of enqueued bodies that may wait; at the limit enqueuing fails. From 1 to 9223372036854775807. Default: `134217728`. */
  queueBytesMax?: number | undefined
}

/** Settings of a push consumer. */
export interface PushConsumerSettings {
  /** Name servers, host:port;host:port. Default: the environment variable NAMESRV_ADDR. */
  namesrv?: string | undefined
  /** First part of the client id. Default: this machine's address on the way to the name server. */
  clientIp?: string | undefined
  /** Second part of the client id; DEFAULT becomes a unique one. Default: `DEFAULT`. */
  instanceName?: string | undefined
  /** Third part of the client id. */
  unitName?: string | undefined
  /** How often routes are refreshed. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `30s`. */
  routeInterval?: number | string | undefined
  /** How often brokers hear from this client; they forget it after 120 s of silence. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `30s`. */
  heartbeatInterval?: number | string | undefined
  /** Budget of one route query, offset question or other metadata call. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  apiTimeout?: number | string | undefined
  /** Longest time for one connect; it counts into the request's budget. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  connectTimeout?: number | string | undefined
  /** How headers are written: json, which every server reads, or the shorter binary form. Default: `json`. */
  headerCodec?: 'json' | 'binary' | undefined
  /** One member of the group gets a message, or every member does. Default: `clustering`. */
  messageModel?: 'clustering' | 'broadcasting' | undefined
  /** Where queues without a committed offset begin: first, last, or a time in milliseconds since 1970. Default: `last`. */
  consumeFrom?: 'first' | 'last' | number | Date | undefined
  /** How queues are shared out; the same in all members of the group. Default: `averagely`. */
  allocate?: 'averagely' | 'circle' | undefined
  /** Listeners at a time. From 1 to 1000. Default: `20`. */
  concurrency?: number | undefined
  /** Largest distance between first and last cached offset of a queue; at the limit it is not pulled. From 1 to 65535. Default: `2000`. */
  maxSpan?: number | undefined
  /** Cached messages of a queue above which it is not pulled. From 1 to 65535. Default: `1000`. */
  cacheCountPerQueue?: number | undefined
  /** Cached bytes of a queue above which it is not pulled. From 1 to 1073741824. Default: `104857600`. */
  cacheBytesPerQueue?: number | undefined
  /** Cached messages of all own queues, divided among them. Default: only the limit per queue. From 1 to 6553500. */
  cacheCountTotal?: number | undefined
  /** Cached bytes of all own queues, divided among them. Default: only the limit per queue. From 1 to 107374182400. */
  cacheBytesTotal?: number | undefined
  /** Pause after a pull that found messages. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `0s`. */
  pullInterval?: number | string | undefined
  /** Messages per pull; brokers have a limit of their own (usually 32). From 1 to 1024. Default: `32`. */
  pullBatchSize?: number | undefined
  /** Bytes per pull. From 1 to 2147483647. Default: `262144`. */
  pullBatchBytes?: number | undefined
  /** Pause after a failed pull. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `1s`. */
  pullErrorPause?: number | string | undefined
  /** How long a broker may hold a pull that finds nothing; at most 29 s. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `15s`. */
  brokerSuspend?: number | string | undefined
  /** Messages of a queue that one orderly listener gets before another queue's turn. From 1 to 1024. Default: `32`. */
  batchSize?: number | undefined
  /** Deliveries after the first before a message becomes a dead letter. Default: 16; in order, no end. From 0 to 2147483647. */
  maxReconsumeTimes?: number | undefined
  /** Pause of an ordered queue after a failure, 10 ms to 30 s. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `1s`. */
  suspend?: number | string | undefined
  /** A message that an unordered listener has had for longer is sent back. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `15m`. */
  consumeTimeout?: number | string | undefined
  /** How often offsets are committed. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `5s`. */
  commitInterval?: number | string | undefined
  /** How long closing waits for listeners that are running. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `10s`. */
  drainTimeout?: number | string | undefined
  /** Where a broadcasting consumer keeps its offsets. Default: ~/.rocketmq_offsets. */
  localOffsetDir?: string | undefined
}

/** Settings of a lite pull consumer. */
export interface LitePullConsumerSettings {
  /** Name servers, host:port;host:port. Default: the environment variable NAMESRV_ADDR. */
  namesrv?: string | undefined
  /** First part of the client id. Default: this machine's address on the way to the name server. */
  clientIp?: string | undefined
  /** Second part of the client id; DEFAULT becomes a unique one. Default: `DEFAULT`. */
  instanceName?: string | undefined
  /** Third part of the client id. */
  unitName?: string | undefined
  /** How often routes are refreshed. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `30s`. */
  routeInterval?: number | string | undefined
  /** How often brokers hear from this client; they forget it after 120 s of silence. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `30s`. */
  heartbeatInterval?: number | string | undefined
  /** Budget of one route query, offset question or other metadata call. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  apiTimeout?: number | string | undefined
  /** Longest time for one connect; it counts into the request's budget. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `3s`. */
  connectTimeout?: number | string | undefined
  /** How headers are written: json, which every server reads, or the shorter binary form. Default: `json`. */
  headerCodec?: 'json' | 'binary' | undefined
  /** The group shares the queues, or every member has all. Default: `clustering`. */
  messageModel?: 'clustering' | 'broadcasting' | undefined
  /** Where queues without a committed offset begin: first, last, or a time in milliseconds since 1970. Default: `last`. */
  consumeFrom?: 'first' | 'last' | number | Date | undefined
  /** How queues are shared out; the same in all members of the group. Default: `averagely`. */
  allocate?: 'averagely' | 'circle' | undefined
  /** What a poll returned is committed by later polls. Default: `true`. */
  autoCommit?: boolean | undefined
  /** How often that happens. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `5s`. */
  autoCommitInterval?: number | string | undefined
  /** Messages per pull and most messages per poll. From 1 to 1024. Default: `32`. */
  pullBatchSize?: number | undefined
  /** Bytes per pull. From 1 to 2147483647. Default: `262144`. */
  pullBatchBytes?: number | undefined
  /** Cached messages of all queues above which none is pulled. From 1 to 6553500. Default: `10000`. */
  cacheCountTotal?: number | undefined
  /** Cached messages of a queue above which it is not pulled. From 1 to 65535. Default: `1000`. */
  cacheCountPerQueue?: number | undefined
  /** Cached bytes of a queue above which it is not pulled. From 1 to 1073741824. Default: `104857600`. */
  cacheBytesPerQueue?: number | undefined
  /** Pause after a failed pull. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `1s`. */
  pullErrorPause?: number | string | undefined
  /** How long a broker may hold a pull that finds nothing; at most 29 s. Milliseconds, or text like `500ms`, `3s`, `5m`. Default: `20s`. */
  brokerSuspend?: number | string | undefined
  /** Where a broadcasting consumer keeps its offsets. Default: ~/.rocketmq_offsets. */
  localOffsetDir?: string | undefined
}
