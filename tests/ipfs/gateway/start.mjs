// usage: node start.mjs PORT CAR    A trustless gateway of the blocks of a CAR (SIGTERM stops it)
import fs from 'node:fs'
import http from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { car } from '@helia/car'
import { createVerifiedFetch } from '@helia/verified-fetch'
import { CarReader } from '@ipld/car'
import { createHeliaLight } from 'helia'

const [port, archive] = process.argv.slice(2)
const helia = await createHeliaLight().start()  // no libp2p, no HTTP: it has what it is given
await car(helia).import(await CarReader.fromIterable(fs.createReadStream(archive)))
const verifiedFetch = await createVerifiedFetch(helia)

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://gateway')
  const [, namespace, cid, ...rest] = url.pathname.split('/')
  const resource = `${namespace}://${[cid, ...rest].join('/')}${url.search}`
  const headers = { accept: request.headers.accept ?? '*/*' }
  const answer = await verifiedFetch(resource, { headers, session: false, offline: true })
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  if (answer.body == null) return response.end()
  await pipeline(Readable.fromWeb(answer.body), response).catch(() => response.destroy())
})
server.listen(Number(port), '127.0.0.1', () => console.log('ready'))
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0))
