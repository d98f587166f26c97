//! The query of a URL as names and values.

use http::Uri;
use percent_encoding::percent_decode_str;

/// Names and values in their order, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// None: something is not UTF-8 after decoding.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.map(|(name, value)| Some((decoded(name)?, decoded(value)?))).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of `name[key]`, with their keys.
    pub(crate) fn keyed<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(own, value)| {
            let key = own.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            Some((key, value.as_str()))
        })
    }

    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn values_are_decoded_and_keep_their_order() {
        let query = Query::of(&"/x?arg=a+b&flag&arg=%2Fipfs%2Fc&=x".parse().unwrap()).unwrap();
        assert_eq!(query.all("arg").collect::<Vec<_>>(), ["a b", "/ipfs/c"]);
        assert_eq!(query.first("flag"), Some(""));
        assert_eq!(query.first("none"), None);
        let query = Query::of(&"/x?m%5Ba%20b%5D=1&m[c]=2&m=3&m[=4&mm[d]=5".parse().unwrap()).unwrap();
        assert_eq!(query.keyed("m").collect::<Vec<_>>(), [("a b", "1"), ("c", "2")]);
        assert_eq!(Query::of(&"/x?a=%ff".parse().unwrap()), None);
    }
}
