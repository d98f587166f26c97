//! JavaScript on the shared engine: QuickJS as a component that asks the host for the app's source.
//!
//! The engine and its Web-standard surface are in `engine/`; it is compiled once, the source is data.

use crate::{
    execute::{Answer, Broken, Ended, RESPONSE_BYTES_MAX},
    sandbox::Sandbox,
    state::LimitError,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use nubes_base::port::LogLevel;
use rand::TryRng;
use wasmtime::{
    Store,
    component::{HasSelf, Linker},
};

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "engine/engine.wit",
        world: "guest",
        imports: { default: trappable },
    });
}

use bindings::{
    GuestPre,
    nubes::engine::{app, http as wit, state},
};

/// The engine's component.
pub(crate) const ENGINE: &[u8] = include_bytes!("../engine/engine.wasm");
/// Longest source file.
pub(crate) const SOURCE_BYTES_MAX: u64 = 4 << 20;
/// Random bytes of one call.
const RANDOM_BYTES_MAX: u32 = 65_536;

pub(crate) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    app::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    state::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    wit::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)
}

/// Runs the app's `fetch` and takes its response.
pub(crate) async fn call(
    engine: &GuestPre<Sandbox>,
    mut store: Store<Sandbox>,
    request: Request<Bytes>,
) -> (Result<Answer, Broken>, Option<Ended>) {
    let called = handle(engine, &mut store, to_guest(request)).await;
    let answer = match called {
        Ok(Ok(response)) => from_guest(response),
        Ok(Err(exception)) => Err(Broken::Exception(exception)),
        Err(error) => Err(Broken::Guest(error)),
    };
    (answer, Some(Ended::from(store)))
}

async fn handle(
    engine: &GuestPre<Sandbox>,
    store: &mut Store<Sandbox>,
    request: wit::Request,
) -> wasmtime::Result<Result<wit::Response, String>> {
    let guest = engine.instantiate_async(&mut *store).await?;
    store.run_concurrent(async |accessor| guest.call_handle(accessor, request).await).await?
}

fn to_guest(request: Request<Bytes>) -> wit::Request {
    let (parts, body) = request.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = parts.headers.get(http::header::HOST).map(text).unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    wit::Request {
        method: parts.method.to_string(),
        url: format!("http://{host}{path}"),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
    }
}

fn from_guest(response: wit::Response) -> Result<Answer, Broken> {
    if response.body.len() > RESPONSE_BYTES_MAX {
        return Err(Broken::Body(format!("more than {RESPONSE_BYTES_MAX} bytes").into()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(Broken::Exception("the response has an invalid header".to_owned()));
        };
        headers.append(name, value);
    }
    let status = StatusCode::from_u16(response.status)
        .map_err(|_| Broken::Exception(format!("status {} is not valid", response.status)))?;
    Ok(Answer { status, headers, body: response.body.into() })
}

impl wit::Host for Sandbox {}

impl app::Host for Sandbox {
    fn source(&mut self) -> wasmtime::Result<String> {
        Ok(self.source.as_ref().to_owned())
    }

    fn config(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.config.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn has_state(&mut self) -> wasmtime::Result<bool> {
        Ok(self.transaction.is_some())
    }

    fn log(&mut self, level: String, text: String) -> wasmtime::Result<()> {
        let level = match level.as_str() {
            "debug" => LogLevel::Debug,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            _ => LogLevel::Info,
        };
        self.printer.print(level, &text);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact for 285,000 years")]
    fn now(&mut self) -> wasmtime::Result<f64> {
        Ok(self.clock.now().unix_ms() as f64)
    }

    fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count.min(RANDOM_BYTES_MAX))?];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
        Ok(bytes)
    }
}

/// A limit that was met becomes an exception, so its text is all that crosses.
type Said<T> = wasmtime::Result<Result<T, String>>;

fn said<T>(result: Result<T, LimitError>) -> Result<T, String> {
    result.map_err(|limit| limit.to_string())
}

impl state::Host for Sandbox {
    fn get(&mut self, key: String) -> Said<Option<Vec<u8>>> {
        self.state(|state| state.get(&key)).map(said)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Said<()> {
        self.state(|state| state.set(&key, value)).map(said)
    }

    fn delete(&mut self, key: String) -> Said<()> {
        self.state(|state| state.delete(&key)).map(said)
    }

    fn keys(&mut self, prefix: String) -> Said<Vec<String>> {
        self.state(|state| state.keys(&prefix)).map(said)
    }
}
