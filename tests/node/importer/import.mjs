// Reads lines {"path": folder or file, "options": {...}} from stdin; prints one line {"cid", "seconds"}
// for each, as ipfs-unixfs-importer has it. The options are ours; they are translated below.
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

const discard = { async put (cid) { return cid } }

async function * candidates (folder, prefix = '') {
  const entries = await readdir(folder, { withFileTypes: true })
  if (entries.length === 0 && prefix !== '') {
    yield { path: prefix }
  }
  for (const entry of entries) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
    if (entry.isDirectory()) {
      yield * candidates(join(folder, entry.name), path)
    } else {
      yield { path, content: createReadStream(join(folder, entry.name), { highWaterMark: 1 << 20 }) }
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { path, options } = JSON.parse(line)
  const started = process.hrtime.bigint()
  const isFolder = (await stat(path)).isDirectory()
  const source = isFolder ? candidates(path) : [{ content: createReadStream(path, { highWaterMark: 1 << 20 }) }]
  let last
  for await (const entry of importer(source, discard, {
    profile: options.profile,
    chunker: options.chunk_bytes && fixedSize({ chunkSize: options.chunk_bytes }),
    layout: options.max_links && balanced({ maxChildrenPerNode: options.max_links }),
    shardFanoutBits: options.hamt_fanout && Math.log2(options.hamt_fanout),
    shardSplitThresholdBytes: options.hamt_threshold_bytes,
    fileImportConcurrency: 8, // each open stream holds a megabyte
    wrapWithDirectory: isFolder
  })) {
    last = entry
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  console.log(JSON.stringify({ cid: last.cid.toString(), seconds }))
}
