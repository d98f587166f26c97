// Loaded before the compliance suite, so that it needs no Internet. See `pinning.test.mjs`.
import http from "node:http";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import { MOMENTS, momentAt } from "./moments.mjs";

const clock = process.hrtime;
let at = 0;

// Differences are for whoever measures; a moment alone is what the suite makes a CID of.
process.hrtime = Object.assign((earlier) => {
  if (earlier) return clock(earlier);
  at += 1;
  if (at >= MOMENTS) throw new Error(`more than ${MOMENTS} moments are asked for`);
  return momentAt(at);
}, { bigint: clock.bigint });

// The suite reads one thing by https: the schema.
https.get = (_, done) => http.get(process.env.SCHEMA_URL, done);
syncBuiltinESMExports();
