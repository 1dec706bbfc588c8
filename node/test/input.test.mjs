// Bad input: wrong types are TypeErrors that name the argument, unknown names come with the nearest one, and nothing else
// happens.
import assert from 'node:assert/strict'
import test from 'node:test'
import { LitePullConsumer, Producer, PushConsumer } from 'ferromq'

const make = {
  producer: (options) => new Producer({ group: 'g', namesrv: '127.0.0.1:1', ...options }),
  push: (options) => new PushConsumer({ group: 'g', namesrv: '127.0.0.1:1', subscriptions: { T: '*' }, ...options }),
  lite: (options) => new LitePullConsumer({ group: 'g', namesrv: '127.0.0.1:1', ...options }),
}

test('unknown options are refused with the nearest name, in camelCase', () => {
  const wrong = [
    [make.producer, 'sendTimout', 'sendTimeout'],
    [make.push, 'consumFrom', 'consumeFrom'],
    [make.lite, 'autocommit', 'autoCommit'],
  ]
  for (const [construct, name, near] of wrong) {
    const expected = { code: 'FMQ_CONFIG', message: new RegExp(`option ${name} is unknown: did you mean ${near}\\?`) }
    assert.throws(() => construct({ [name]: 1 }), expected)
  }
})

test('impossible values of options are refused with what is possible', () => {
  assert.throws(() => make.producer({ retries: -1 }), { code: 'FMQ_CONFIG', message: /retries.*from 0 to 1000/ })
  assert.throws(() => make.producer({ retries: 1.5 }), { code: 'FMQ_CONFIG' })
  assert.throws(() => make.producer({ sendTimeout: 'soon' }), { code: 'FMQ_CONFIG', message: /duration/ })
  assert.throws(() => make.producer({ sendTimeout: NaN }), { code: 'FMQ_CONFIG' })
  assert.throws(() => make.producer({ compression: 'gzip' }), { code: 'FMQ_CONFIG', message: /zlib, lz4, zstd/ })
  assert.throws(() => make.push({ consumeFrom: 'middle' }), { code: 'FMQ_CONFIG' })
  assert.throws(() => make.producer({ namesrv: 'nowhere' }), { code: 'FMQ_CONFIG' })
  assert.throws(() => make.push({ subscriptions: { 'a b': '*' } }), { code: 'FMQ_VALIDATION' })
  assert.throws(() => make.push({ subscriptions: {} }), { code: 'FMQ_VALIDATION' })
})

test('possible values of options are taken', () => {
  make.producer({ sendTimeout: '500ms', retries: 0, compression: 'zstd', latencyFault: true, unitName: undefined })
  make.push({ consumeFrom: new Date(), concurrency: 3, drainTimeout: '1m' })
  make.lite({ consumeFrom: 0, autoCommit: false })
})

test('wrong types in constructors', () => {
  for (const wrong of [undefined, null, 7, 'x']) {
    for (const type of [Producer, PushConsumer, LitePullConsumer]) assert.throws(() => new type(wrong), TypeError)
  }
  assert.throws(() => new Producer({}), { name: 'TypeError', message: /group must be a string/ })
  assert.throws(() => make.producer({ retries: {} }), { name: 'TypeError', message: /option retries/ })
  assert.throws(() => make.producer({ retries: 7n }), TypeError)
  assert.throws(() => make.push({ subscriptions: 'T' }), { name: 'TypeError', message: /subscriptions/ })
  assert.throws(() => make.push({ subscriptions: ['T'] }), TypeError)
  assert.throws(() => make.push({ subscriptions: { T: 7 } }), { name: 'TypeError', message: /subscriptions\.T/ })
  assert.throws(() => make.lite({ logger: 7 }), { name: 'TypeError', message: /logger/ })
  assert.throws(() => make.lite({ logger: { error() {} } }), { name: 'TypeError', message: /logger\.warn/ })
  assert.throws(() => make.lite({ logLevel: 'warm' }), { name: 'TypeError', message: /did you mean warn\?/ })
  assert.throws(() => Producer({ group: 'g' }), TypeError)
})

test('wrong messages are refused, and those around them are not touched', async () => {
  const producer = make.producer({ sendTimeout: 10 })
  const wrong = [
    [undefined, /message/],
    ['text', /message/],
    [{ body: 'x' }, /topic must be a string, not undefined/],
    [{ topic: 7, body: 'x' }, /topic must be a string, not number 7/],
    [{ topic: 'T' }, /body must be a string or a Uint8Array/],
    [{ topic: 'T', body: 7 }, /body/],
    [{ topic: 'T', body: new ArrayBuffer(3) }, /body/],
    [{ topic: 'T', body: null }, /body must be .*not null/],
    [{ topic: 'T', body: 'x', tags: 'a' }, /field tags is unknown: did you mean tag\?/],
    [{ topic: 'T', body: 'x', tag: ['a'] }, /tag must be a string, not an array/],
    [{ topic: 'T', body: 'x', key: [1] }, /key/],
    [{ topic: 'T', body: 'x', key: {} }, /key/],
    [{ topic: 'T', body: 'x', shardingKey: 1 }, /shardingKey/],
    [{ topic: 'T', body: 'x', queue: 'broker-0' }, /queue must be a queue, not string broker-0/],
    [{ topic: 'T', body: 'x', queue: { topic: 'T', broker: 7, id: 0 } }, /queue\.broker must be a string/],
    [{ topic: 'T', body: 'x', queue: { topic: 'U', broker: 'b', id: 0 } }, /queue is of topic U, the message of topic T/],
    [{ topic: 'T', body: 'x', queue: { topic: 'T', broker: 'b', id: 0 }, shardingKey: 'k' }, /shardingKey or queue, not both/],
    [{ topic: 'T', body: 'x', properties: { a: 1 } }, /property a must be a string/],
    [{ topic: 'T', body: 'x', properties: 'a' }, /properties/],
    [{ topic: 'T', body: 'x', delayLevel: '1' }, /delayLevel/],
  ]
  const good = producer.send({ topic: 'T', body: 'x' })
  for (const [message, expected] of wrong) {
    await assert.rejects(producer.send(message), { name: 'TypeError', message: expected })
    await assert.rejects(producer.sendMany([{ topic: 'T', body: 'x' }, message]), { name: 'TypeError' })
    assert.throws(() => producer.enqueue(message), { name: 'TypeError' })
  }
  await assert.rejects(producer.send({ topic: 'T', body: 'x', delayLevel: -1 }), RangeError)
  await assert.rejects(producer.send({ topic: 'T', body: 'x', flag: 2 ** 31 }), RangeError)
  await assert.rejects(producer.sendOneway({ topic: 'T', body: 'x', shardingKey: 'k' }), TypeError)
  const queue = { topic: 'T', broker: 'b', id: 0 }
  await assert.rejects(producer.sendOneway({ topic: 'T', body: 'x', queue }), { name: 'TypeError', message: /one-way/ })
  await assert.rejects(producer.send({ topic: 'T', body: 'x', queue: { ...queue, id: -1 } }), RangeError)
  await assert.rejects(producer.sendMany(7), TypeError)
  await assert.rejects(producer.sendMany({ topic: 'T', body: 'x' }), TypeError)
  await assert.rejects(producer.send({ topic: 'T', body: 'x' }, { sginal: 1 }), /did you mean signal\?/)
  await assert.rejects(producer.send({ topic: 'T', body: 'x' }, { signal: {} }), { message: /AbortSignal/ })
  await assert.rejects(producer.send({ topic: 'T', body: 'x' }, null), TypeError)
  await assert.rejects(good, { code: /^FMQ_/ })
  await assert.rejects(producer.close({ timeout: -1 }), RangeError)
})

test('wrong arguments of consumers', async () => {
  const push = make.push()
  await assert.rejects(push.run({}, 7), { name: 'TypeError', message: /handler must be a function/ })
  await assert.rejects(push.run({ concurency: 3 }, () => {}), { message: /did you mean concurrency\?/ })
  await assert.rejects(push.run({ concurrency: 0 }, () => {}), RangeError)
  await assert.rejects(push.run({ concurrency: '3' }, () => {}), TypeError)
  await assert.rejects(push.run({ orderly: 1 }, () => {}), TypeError)
  assert.throws(() => push.messages({ signal: 1 }), TypeError)
  await push.close()
  const lite = make.lite()
  const queue = { topic: 'T', broker: 'b', id: 0 }
  await assert.rejects(lite.subscribe(7), TypeError)
  await assert.rejects(lite.assign(queue), TypeError)
  await assert.rejects(lite.assign([{ topic: 'T', broker: 'b' }]), { message: /queue\.id must be a number/ })
  await assert.rejects(lite.seek(queue, '7'), TypeError)
  await assert.rejects(lite.seek(queue, 2 ** 53), RangeError)
  await assert.rejects(lite.seek(queue, 1.5), RangeError)
  await assert.rejects(lite.poll({ timeout: -1 }), RangeError)
  await assert.rejects(lite.poll({ timout: 1 }), { message: /did you mean timeout\?/ })
  await assert.rejects(lite.offsetForTime(queue, 'now'), TypeError)
  await assert.rejects(lite.offsetForTime(queue, new Date(NaN)), RangeError)
  await assert.rejects(lite.commit([{ queue, offset: 'x' }]), TypeError)
  await assert.rejects(lite.pause(7), TypeError)
  await lite.close()
})

test('a consumer that could not join says so however often it is run, and closes', { timeout: 60_000 }, async () => {
  const push = make.push({ logLevel: 'off' })
  for (let round = 0; round < 2; round += 1) {
    await assert.rejects(push.run({}, () => {}), { code: 'FMQ_NO_NAME_SERVER', message: /127\.0\.0\.1:1/ })
    await assert.rejects(push.messages().next(), { code: 'FMQ_NO_NAME_SERVER' })
  }
  await push.close()
})
