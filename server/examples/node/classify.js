// Classifies a FASTA file over gRPC, knowing nothing but the proto files.
//
//   npm install && node classify.js reads.fasta HOST:PORT
//
// Prints id, accepted lineage and confidence, one row a sequence. Reads travel in chunks of 512 with at most 8 on their
// way, so memory stays flat however large the file is.
"use strict";

const fs = require("fs");
const path = require("path");
const readline = require("readline");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const CHUNK_READS = 512;
const CHUNKS_AHEAD = 8;
const PROTO = path.join(__dirname, "..", "..", "..", "proto");

function load() {
  const files = ["classification", "models"].map((name) => `abyssal/inference/v1/${name}.proto`);
  // Without `defaults`, a chunk_id of 0 would be missing.
  const options = { includeDirs: [PROTO], keepCase: true, longs: Number, defaults: true };
  const definition = protoLoader.loadSync(files, options);
  return grpc.loadPackageDefinition(definition).abyssal.inference.v1;
}

async function* chunksOf(file) {
  let chunk = { ids: [], sequences: [] };
  let id = null;
  let letters = [];
  const finish = () => {
    if (id !== null) {
      chunk.ids.push(id);
      chunk.sequences.push(Buffer.from(letters.join(""), "latin1"));
    }
    letters = [];
  };
  for await (const line of readline.createInterface({ input: fs.createReadStream(file) })) {
    if (!line.startsWith(">")) {
      letters.push(line.trim());
      continue;
    }
    finish();
    id = line.slice(1).split(/\s/)[0];
    if (chunk.ids.length === CHUNK_READS) {
      yield chunk;
      chunk = { ids: [], sequences: [] };
    }
  }
  finish();
  if (chunk.ids.length) yield chunk;
}

async function taxonomy(models, digest) {
  const names = [];
  let token = "";
  do {
    const request = { digest, page_token: token };
    const page = await new Promise((resolve, reject) =>
      models.GetTaxonomy(request, (error, answer) => (error ? reject(error) : resolve(answer))));
    names.push(...page.names);
    token = page.next_page_token;
  } while (token);
  return names;
}

function rows(ids, answers, ranks, names) {
  return ids.map((id, read) => {
    const depth = answers.accepted_ranks[read] || 0;
    const taxa = answers.taxa.slice(read * ranks, read * ranks + depth).filter((taxon) => taxon > 0);
    const confidence = depth ? answers.confidences[read * ranks + depth - 1] : 0;
    return [id, taxa.map((taxon) => names[taxon - 1]).join("; ") || "Unassigned", confidence.toFixed(6)].join("\t");
  });
}

async function main(file, target) {
  const api = load();
  const credentials = grpc.credentials.createInsecure();
  const models = new api.Models(target, credentials);
  const call = new api.Classification(target, credentials).ClassifyStream();
  const sent = new Map();
  let wake = () => {};
  const writing = (async () => {
    call.write({ config: {} });
    let number = 0;
    for await (const chunk of chunksOf(file)) {
      while (sent.size >= CHUNKS_AHEAD) await new Promise((resolve) => (wake = resolve));
      sent.set(number, chunk.ids);
      call.write({ chunk: { chunk_id: number, sequences: chunk.sequences } });
      number += 1;
    }
    call.end();
  })();
  let model = null;
  let names = [];
  for await (const frame of call) {
    if (frame.started) {
      model = frame.started.model;
      names = await taxonomy(models, model.taxonomy_digest);
      process.stderr.write(`model ${model.name} ${model.version} (${model.digest.slice(0, 12)})\n`);
    } else if (frame.result) {
      const ids = sent.get(frame.result.chunk_id);
      sent.delete(frame.result.chunk_id);
      process.stdout.write(rows(ids, frame.result.answers, model.ranks.length, names).join("\n") + "\n");
      wake();
    }
  }
  await writing;
}

if (process.argv.length !== 4) {
  process.stderr.write("usage: node classify.js reads.fasta HOST:PORT\n");
  process.exit(2);
}
main(process.argv[2], process.argv[3]).then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`ERROR: ${error.message}\n`);
    process.exit(1);
  },
);
