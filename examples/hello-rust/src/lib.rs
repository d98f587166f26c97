//! Greets whoever the path names.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let name = path.trim_matches('/').split(['/', '?']).next().filter(|name| !name.is_empty()).unwrap_or("world");
        let headers = Fields::new();
        headers.set("content-type", &[b"text/plain; charset=utf-8".to_vec()]).expect("the name is valid");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("a new response has its body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("a new body has its stream");
        stream.blocking_write_and_flush(format!("hello {name}\n").as_bytes()).expect("the host takes it");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the length is right");
    }
}

wasip2::http::proxy::export!(Hello);
