//! What every answer carries, and what is refused before anything looks at it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// No script, no frames, no foreign resource, no copy in a cache, no token in a Referer.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex"),
];

pub(super) async fn headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    response
}

/// A form of another site must not act in a visitor's name.
pub(super) async fn refuse_foreign_posts(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && super::is_foreign(request.headers()) {
        return (
            StatusCode::FORBIDDEN,
            "This form was sent from another site; please open the page itself.",
        )
            .into_response();
    }
    next.run(request).await
}
