/** A broker for tests and for trying things out: the executable `ferromq`, started and ended from Node. */

/** How to start a broker. */
export interface BrokerOptions {
  /** Settings of the broker as in `broker.conf`, like `{ autoCreateTopicEnable: false }`. */
  properties?: Record<string, string | number | boolean>
  /** Milliseconds after which a broker that does not say that it is ready is killed. Default 30,000. */
  timeout?: number
}

/**
 * A running name server and broker, in a process of their own on free ports of this machine, with their data in a temporary
 * directory. It ends with {@link Broker.close}, and by itself when this process is gone; it does not keep this process alive.
 */
export interface Broker extends AsyncDisposable {
  /** Address of the name server, `host:port`: what clients are given. */
  readonly namesrv: string
  /** Address of the broker. */
  readonly broker: string
  /** Name of the broker. */
  readonly brokerName: string
  /** Id of the process. */
  readonly pid: number
  /**
   * Creates a topic, or changes how many queues it has (default 4). Clients can find it when the promise resolves. Without
   * this the broker makes a topic at its first message.
   */
  createTopic(topic: string, options?: { queues?: number }): Promise<void>
  /** What the broker has logged so far: warnings and errors, or what `FERROMQ_LOG` asks for. */
  log(): string
  /** Ends the broker in order, and after `timeout` milliseconds (default 20,000) by force. Calls after the first wait for it. */
  close(options?: { timeout?: number }): Promise<void>
  /** Ends the broker at once, as a power cut would, for tests of clients that lose their broker. */
  kill(): Promise<void>
}

/** The broker did not start, or refused what it was asked for; the message is what it said. */
export declare class ServerError extends Error {
  readonly name: 'ServerError'
  readonly code: 'FMQ_SERVER'
}

/** Starts a broker; resolves when it can be used, after some 50 ms. */
export declare function startBroker(options?: BrokerOptions): Promise<Broker>

/** The path of `ferromq`: what the environment variable `FERROMQ_BIN` names, else the one in this package. */
export declare function executable(): string
