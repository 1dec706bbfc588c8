// The ECMAScript module's face of index.cjs.
import server from './index.cjs'

export const { startBroker, executable, ServerError } = server
