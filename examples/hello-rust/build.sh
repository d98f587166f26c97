#!/bin/sh
# Builds hello.wasm from src/ with the wasm32-wasip2 target, whose output is a component.
set -eu
cd "$(dirname "$0")"
cargo build --release --target wasm32-wasip2
cp target/wasm32-wasip2/release/hello.wasm hello.wasm
