// Starts and ends the executable `ferromq`, see index.d.ts.
//
// A server ends when its standard input closes, and this process holds the only other end: so it ends however this one
// ends, and removes its data itself. It does not keep this process alive.
'use strict'
const { spawn, execFile } = require('node:child_process')
const { rm } = require('node:fs/promises')
const { accessSync, constants } = require('node:fs')
const path = require('node:path')

const START_TIMEOUT_MS = 30_000
const CLOSE_TIMEOUT_MS = 20_000
const CALL_TIMEOUT_MS = 30_000
// Of a longer log only the end is kept.
const LOG_CHARACTERS_MAX = 1 << 20

// Node before 18.18 lacks it, and what compilers make of `await using` needs it; the package ferromq does the same.
if (Symbol.asyncDispose === undefined) {
  Object.defineProperty(Symbol, 'asyncDispose', { value: Symbol.for('Symbol.asyncDispose') })
}

class ServerError extends Error {
  constructor(message) {
    super(message)
    this.name = 'ServerError'
    this.code = 'FMQ_SERVER'
  }
}

function executable() {
  const file = process.env.FERROMQ_BIN || path.join(__dirname, 'native', 'ferromq')
  try {
    accessSync(file, constants.X_OK)
  } catch (cause) {
    throw new ServerError(`there is no executable ${file} (${cause.code}): install ferromq-server again, or set FERROMQ_BIN`)
  }
  return file
}

class Broker {
  #child
  #data
  #log
  #ended
  #closing

  constructor(child, said, log, ended) {
    this.#child = child
    this.#data = path.dirname(said.data_dir)
    this.#log = log
    this.#ended = ended
    this.namesrv = said.namesrv
    this.broker = said.broker
    this.brokerName = said.broker_name
    this.pid = child.pid
  }

  createTopic(topic, { queues = 4 } = {}) {
    const args = ['topic', '--namesrv', this.namesrv, `--queues=${queues}`, '--', topic]
    return new Promise((resolve, reject) => {
      execFile(executable(), args, { timeout: CALL_TIMEOUT_MS }, (error, _out, said) => {
        if (error) reject(new ServerError(said.trim() || error.message))
        else resolve()
      })
    })
  }

  log() {
    return this.#log.text
  }

  close({ timeout = CLOSE_TIMEOUT_MS } = {}) {
    this.#closing ??= this.#end(timeout)
    return this.#closing
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.close()
  }

  [Symbol.asyncDispose]() {
    return this.close()
  }

  async #end(timeout) {
    await end(this.#child, this.#ended, timeout)
    // A killed one could not clear up.
    await rm(this.#data, { recursive: true, force: true })
  }
}
async function end(child, ended, timeout) {
  child.stdin.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
  await ended
  clearTimeout(timer)
}

async function startBroker({ properties = {}, timeout = START_TIMEOUT_MS } = {}) {
  const args = ['standalone', '--ephemeral', '--json']
  for (const [name, value] of Object.entries(properties)) args.push('--property', `${name}=${value}`)
  const file = executable()
  // A session of its own: Ctrl-C in a terminal reaches the tests, not the broker they still need.
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)))
  const log = { text: '' }
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log.text = (log.text + text).slice(-LOG_CHARACTERS_MAX)
  })
  // A server that is gone already needs no end of its input.
  child.stdin.on('error', () => {})
  let timer
  try {
    const late = new Promise((_, reject) => {
      const tell = () => reject(new ServerError(`${file} was not ready after ${timeout} ms: ${log.text.trim()}`))
      timer = setTimeout(tell, timeout)
    })
    const said = await Promise.race([firstLine(child, ended, log, file), late])
    for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref()
    return new Broker(child, said, log, ended)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function firstLine(child, ended, log, file) {
  return new Promise((resolve, reject) => {
    let line = ''
    child.once('error', (error) => reject(new ServerError(`${file} cannot be started: ${error.message}`)))
    ended.then((how) => reject(new ServerError(`${file} ended with ${how}: ${log.text.trim()}`)))
    child.stdout.setEncoding('utf8').on('data', (text) => {
      line += text
      if (line.includes('\n')) resolve(line)
    })
  }).then(JSON.parse)
}

module.exports = { startBroker, executable, ServerError }
