// What strict users of the declarations rely on: it compiles, and each line that is marked must not.
import {
  ERROR_CODES,
  type ErrorCode,
  FerroMQError,
  FlushError,
  LitePullConsumer,
  type Message,
  type MessageQueue,
  Producer,
  PushConsumer,
  type Receipt,
  SendManyError,
} from 'ferromq'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(proof: Same<A, B>): void {
  void proof
}

export async function produce(signal: AbortSignal): Promise<void> {
  await using producer = new Producer({ group: 'g', namesrv: 'h:9876', sendTimeout: '3s', compression: 'lz4', logger: console })
  const receipt = await producer.send({ topic: 'T', body: new Uint8Array(3), key: ['a', 'b'], properties: { a: 'b' } }, { signal })
  same<typeof receipt, Receipt>(true)
  same<Receipt['status'], 'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'>(true)
  const offset: number = receipt.queueOffset
  const receipts: Receipt[] = await producer.sendMany([{ topic: 'T', body: 'x' }], { signal })
  same<ReturnType<Producer['sendOneway']>, Promise<void>>(true)
  same<ReturnType<Producer['enqueue']>, void>(true)
  await producer.close({ timeout: 100 })
  void [offset, receipts]
  // @ts-expect-error a body is text or bytes
  await producer.send({ topic: 'T', body: 7 })
  // @ts-expect-error a topic is needed
  await producer.send({ body: 'x' })
  // @ts-expect-error the field is called tag
  await producer.send({ topic: 'T', body: 'x', tags: 'a' })
  // @ts-expect-error there is no such compression
  new Producer({ group: 'g', compression: 'gzip' })
  // @ts-expect-error a group is needed
  new Producer({ namesrv: 'h:9876' })
  // @ts-expect-error receipts do not change
  receipt.queue.id = 7
}

export async function push(signal: AbortSignal): Promise<void> {
  await using consumer = new PushConsumer({ group: 'g', subscriptions: { T: '*' }, consumeFrom: new Date() })
  await consumer.run({ concurrency: 3, orderly: true, signal }, async (message) => {
    same<typeof message, Message>(true)
    same<typeof message.body, Buffer>(true)
    same<typeof message.tag, string | undefined>(true)
  })
  for await (const message of consumer) same<typeof message, Message>(true)
  for await (const { queue, queueOffset } of consumer.messages({ orderly: true })) void [queue, queueOffset]
  // @ts-expect-error subscriptions are needed
  new PushConsumer({ group: 'g' })
  // @ts-expect-error a handler is needed
  await consumer.run({})
}

export async function lite(queue: MessageQueue): Promise<void> {
  await using consumer = new LitePullConsumer({ group: 'g', autoCommit: false })
  await consumer.assign(await consumer.queues('T'), 'a || b')
  const messages: Message[] = await consumer.poll({ timeout: 100 })
  const committed: number | null = await consumer.committed(queue)
  await consumer.commit([{ queue, offset: 7 }])
  await consumer.seek(queue, await consumer.offsetForTime(queue, new Date()))
  for await (const message of consumer) same<typeof message, Message>(true)
  void [messages, committed]
  // @ts-expect-error offsets are numbers
  await consumer.seek(queue, 7n)
}

export function errors(error: unknown): ErrorCode | undefined {
  if (error instanceof SendManyError) same<typeof error.results, (Receipt | FerroMQError)[]>(true)
  if (error instanceof FlushError) same<typeof error.failed, number>(true)
  if (!(error instanceof FerroMQError)) return undefined
  if (error.code === 'FMQ_TIMEOUT' && error.retriable && !error.notSent) return error.code
  // @ts-expect-error there is no such code
  if (error.code === 'FMQ_TIMEUOT') return undefined
  return ERROR_CODES.find((code) => code === error.code)
}
