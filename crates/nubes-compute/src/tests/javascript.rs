//! JavaScript files on the shared engine.

use super::House;
use http::StatusCode;
use nubes_base::port::{LogSource, RunError};

const COUNTER: &str = r#"
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/keys") return Response.json(await env.KV.list({ prefix: url.searchParams.get("prefix") ?? "" }));
    if (url.pathname === "/throw") { await env.KV.put("n", "lost"); throw new TypeError("as asked"); }
    if (url.pathname === "/loop") for (;;) {}
    if (url.pathname === "/grow") { const all = []; for (;;) all.push(new Uint8Array(1 << 20)); }
    if (request.method === "POST") { const { key, value } = await request.json(); await env.KV.put(key, value); return new Response(null, { status: 204 }); }
    const n = Number((await env.KV.get("n")) ?? 0) + 1;
    await env.KV.put("n", String(n));
    console.log("count", { n });
    return new Response(`${env.greeting} ${n}`, { status: 201, headers: { "x-n": n } });
  },
};
"#;

#[tokio::test]
async fn a_file_counts_logs_and_reads_its_configuration() {
    let house = House::new();
    let counter = house.javascript(COUNTER).await;
    let (status, body) = house.call(&counter, "GET", "/", "").await.unwrap();
    assert_eq!((status, body.as_str()), (StatusCode::CREATED, "bonjour 1"));
    assert_eq!(house.get(&counter, "/").await.unwrap(), "bonjour 2");
    assert_eq!(house.runtime.logs().tail(&counter.app, 1)[0].text, "count {\"n\":2}");
}

#[tokio::test]
async fn keys_are_listed_with_what_this_request_wrote() {
    let house = House::new();
    let counter = house.javascript(COUNTER).await;
    for key in ["b/1", "a/1", "a/2"] {
        let body = format!("{{\"key\":\"{key}\",\"value\":\"ü\"}}");
        assert_eq!(house.call(&counter, "POST", "/", &body).await.unwrap().0, StatusCode::NO_CONTENT);
    }
    assert_eq!(house.get(&counter, "/keys?prefix=a%2F").await.unwrap(), r#"["a/1","a/2"]"#);
}

#[tokio::test]
async fn an_exception_is_named_and_undoes_what_was_written() {
    let house = House::new();
    let counter = house.javascript(COUNTER).await;
    assert_eq!(house.get(&counter, "/").await.unwrap(), "bonjour 1");
    match house.get(&counter, "/throw").await {
        Err(RunError::Trapped { what, .. }) => assert!(what.contains("as asked"), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(house.get(&counter, "/").await.unwrap(), "bonjour 2");
}

#[tokio::test]
async fn a_file_that_loops_or_grows_is_stopped() {
    let house = House::new();
    let mut counter = house.javascript(COUNTER).await;
    counter.record.limits.fuel = 500_000_000;
    assert!(matches!(house.get(&counter, "/loop").await, Err(RunError::TimedOut { limit: "fuel", .. })));
    counter.record.limits.fuel = u64::MAX / 2;
    let grown = house.get(&counter, "/grow").await;
    assert!(matches!(grown, Err(RunError::OutOfMemory { .. })), "{grown:?}");
    assert_eq!(house.get(&counter, "/").await.unwrap(), "bonjour 1");
}

/// What a file says that cannot be an app.
#[track_caller]
fn said(result: Result<String, RunError>, words: &str) {
    match result {
        Err(RunError::Trapped { what, .. }) => assert!(what.contains(words), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_is_no_app_says_what_is_missing() {
    let house = House::new();
    let source = house.javascript("import x from 'y';\nexport default {};").await;
    said(house.get(&source, "/").await, "a function is one file");
    let source = house.javascript("export default { get() {} };").await;
    said(house.get(&source, "/").await, "must `export default` an object with a `fetch` function");
    let source = house.javascript("export default { fetch() { return 1; } };").await;
    said(house.get(&source, "/").await, "fetch must return a Response");
    let source = house.javascript("export default { fetch( };").await;
    said(house.get(&source, "/").await, "SyntaxError");
}

/// Each line is an expression that must be true inside the engine; taken from what web-platform-tests check.
const PLATFORM: &[&str] = &[
    "new TextDecoder().decode(new TextEncoder().encode('aé€😀')) === 'aé€😀'",
    "[...new TextEncoder().encode('€')].join() === '226,130,172'",
    "new TextDecoder().decode(Uint8Array.of(0xff, 0x41)) === '\\ufffdA'",
    "new TextDecoder().decode(Uint8Array.of(0xf0, 0x9f, 0x41)) === '\\ufffdA'",
    "btoa('hello') === 'aGVsbG8=' && atob('aGVsbG8') === 'hello' && btoa('') === ''",
    "new URL('/a/../b?x=1&x=2#h', 'http://h:80/c').href === 'http://h/b?x=1&x=2#h'",
    "new URL('http://h:8080/a').host === 'h:8080' && new URL('http://h/%41').pathname === '/%41'",
    "new URL('http://h/?a=1+2%263').searchParams.get('a') === '1 2&3'",
    "(() => { const u = new URL('http://h/?a=1'); u.searchParams.append('b', 'x y'); return u.search === '?a=1&b=x+y'; })()",
    "new URLSearchParams({ a: 'ü&' }).toString() === 'a=%C3%BC%26'",
    "(() => { const h = new Headers({ 'X-A': '1' }); h.append('x-a', '2'); return h.get('X-a') === '1, 2' && !h.has('b'); })()",
    "(() => { try { new Headers({ 'a b': '1' }); return false; } catch (e) { return e instanceof TypeError; } })()",
    "(() => { try { new Response('x', { status: 204 }); return false; } catch (e) { return e instanceof TypeError; } })()",
    "Response.json({ a: 1 }).headers.get('content-type') === 'application/json'",
    "(() => { const a = { d: new Date(0), m: new Map([[1, [2]]]) }; a.self = a; const b = structuredClone(a); return b.self === b && b.m.get(1)[0] === 2 && b.d !== a.d; })()",
    "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())",
    "new Date() instanceof Date && Date.now() > 1.7e12 && Math.random() < 1",
];

#[tokio::test]
async fn the_web_platforms_surface_behaves() {
    let house = House::new();
    let checks =
        PLATFORM.iter().map(|line| format!("[{line:?}, () => {line}]")).collect::<Vec<_>>().join(",\n");
    let source = format!(
        "export default {{ fetch() {{ const failed = [{checks}].filter(([, check]) => {{ try {{ return !check(); }} catch {{ return true; }} }}); \
         return new Response(failed.map(([name]) => name).join('\\n')); }} }};"
    );
    let file = house.javascript(&source).await;
    assert_eq!(house.get(&file, "/").await.unwrap(), "");
}

/// What is said of an uncaught exception in `source`.
async fn exception(house: &House, source: &str) -> String {
    let file = house.javascript(source).await;
    match house.get(&file, "/").await {
        Err(RunError::Trapped { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_exception_names_its_line() {
    let house = House::new();
    let what =
        exception(&house, "const name = null;\n\nexport default {\n  fetch() { return name.length; },\n};")
            .await;
    assert!(what.starts_with("TypeError: ") && what.ends_with("(line 4)"), "{what}");
    let what =
        exception(&house, "export default {\n  async fetch() {\n    throw new Error('later');\n  },\n};")
            .await;
    assert_eq!(what, "Error: later (line 3)");
    let what = exception(&house, "export default {\n\n  fetch( {};\n").await;
    assert!(what.starts_with("SyntaxError: ") && what.contains("(line "), "{what}");
    let what = exception(&house, "export default { fetch() { throw 'a text'; } };").await;
    assert_eq!(what, "a text");
}

#[tokio::test]
async fn a_limit_of_the_store_is_an_exception_that_can_be_caught() {
    let house = House::new();
    let source = r#"export default { async fetch(request, env) {
  try { await env.KV.put("k".repeat(1025), ""); } catch (error) { return new Response(`${error}`); }
} };"#;
    let file = house.javascript(source).await;
    let said = house.get(&file, "/").await.unwrap();
    assert!(said.starts_with("RangeError: a key has 1 to 1024 bytes"), "{said}");
    let what =
        exception(&house, "export default {\n async fetch(r, env) {\n await env.KV.get('');\n} };").await;
    assert!(what.starts_with("RangeError: a key has") && what.ends_with("(line 3)"), "{what}");
}

#[tokio::test]
async fn a_file_is_strict_and_without_state_has_no_store() {
    let house = House::new();
    let mut file =
        house.javascript("export default { fetch(r, env) { return new Response(String(env.KV)); } };").await;
    file.record.state = false;
    assert_eq!(house.get(&file, "/").await.unwrap(), "undefined");
    let what =
        exception(&house, "export default { fetch() { undeclared = 1; return new Response(); } };").await;
    assert!(what.starts_with("ReferenceError: "), "{what}");
    let what = exception(&house, "export default { fetch: () => fetch('http://127.0.0.1:1') };").await;
    assert!(what.contains("no outgoing access"), "{what}");
}

#[tokio::test]
async fn bytes_pass_through_a_file_unchanged() {
    let house = House::new();
    let source = "export default { async fetch(r, env) { await env.KV.put('b', await r.bytes()); \
                  return new Response(await env.KV.getBytes('b'), { headers: { a: r.headers.get('host') } }); } };";
    let file = house.javascript(source).await;
    let body: String = (0..=0x7ff_u32).filter_map(char::from_u32).collect();
    let (status, echo) = house.call(&file, "POST", "/", &body).await.unwrap();
    assert_eq!((status, echo), (StatusCode::OK, body));
}

#[tokio::test]
async fn one_request_leaves_nothing_for_the_next() {
    let house = House::new();
    let source = "let calls = 0;\nexport default { fetch() { calls += 1; globalThis.seen ??= calls; \
                  return new Response(`${calls} ${globalThis.seen}`); } };";
    let file = house.javascript(source).await;
    for _ in 0..3 {
        assert_eq!(house.get(&file, "/").await.unwrap(), "1 1");
    }
}
