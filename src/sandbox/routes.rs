//! Paths and methods of the API that the sandbox serves: one table.
//!
//! Pure. A path of the table with another method is a 405, anything else a 404.
//!
//! Invariant: an id in a path is digits only; any other text there is an unknown path.

use axum::http::Method;

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ShowProvider,
    UpdateProvider,
    UpdateVenueUrls,
    ListVenues,
    ShowVenue,
    ShowAddress,
    SearchAddresses,
    CreateAddress,
    CheckAvailability,
    ReadEans,
    UpsertEans,
    ListProducts,
    ShowProduct,
    CreateProduct,
    EditProduct,
    UploadImage,
    ListProductCategories,
    CreateEvent,
    ListEvents,
    ShowEvent,
    EditEvent,
    ListEventCategories,
    AddPriceCategories,
    ListPriceCategories,
    EditPriceCategory,
    AddDates,
    ListDates,
    EditDate,
    DeleteDate,
    ListShowTypes,
    ListMusicTypes,
    ListEventMusicTypes,
    ListBookings,
    ShowToken,
    UseToken,
    KeepToken,
    CancelToken,
}

impl Action {
    /// Whether the route reads a JSON body.
    pub(crate) fn has_body(self) -> bool {
        matches!(
            self,
            Self::UpdateProvider
                | Self::UpdateVenueUrls
                | Self::CreateAddress
                | Self::UpsertEans
                | Self::CreateProduct
                | Self::EditProduct
                | Self::CreateEvent
                | Self::EditEvent
                | Self::AddPriceCategories
                | Self::EditPriceCategory
                | Self::AddDates
                | Self::EditDate
        )
    }
}

/// `{id}` and `{sub}` stand for digits, `{text}` for any one segment. The first match wins.
const TABLE: &[(&str, &[(Method, Action)])] = &[
    ("/public/providers/v1/provider", &[(Method::GET, Action::ShowProvider), (Method::PATCH, Action::UpdateProvider)]),
    ("/public/providers/v1/venues/{id}", &[(Method::PATCH, Action::UpdateVenueUrls)]),
    ("/public/offers/v1/offerer_venues", &[(Method::GET, Action::ListVenues)]),
    ("/public/offers/v1/venues/{text}", &[(Method::GET, Action::ShowVenue)]),
    ("/public/offers/v1/addresses", &[(Method::POST, Action::CreateAddress)]),
    ("/public/offers/v1/addresses/search", &[(Method::GET, Action::SearchAddresses)]),
    ("/public/offers/v1/addresses/{id}", &[(Method::GET, Action::ShowAddress)]),
    (
        "/public/offers/v1/products",
        &[
            (Method::GET, Action::ListProducts),
            (Method::POST, Action::CreateProduct),
            (Method::PATCH, Action::EditProduct),
        ],
    ),
    ("/public/offers/v1/{id}/image", &[(Method::POST, Action::UploadImage)]),
    ("/public/offers/v1/products/ean", &[(Method::GET, Action::ReadEans), (Method::POST, Action::UpsertEans)]),
    ("/public/offers/v1/products/ean/check_availability", &[(Method::GET, Action::CheckAvailability)]),
    ("/public/offers/v1/products/categories", &[(Method::GET, Action::ListProductCategories)]),
    ("/public/offers/v1/products/{id}", &[(Method::GET, Action::ShowProduct)]),
    ("/public/offers/v1/events", &[(Method::GET, Action::ListEvents), (Method::POST, Action::CreateEvent)]),
    ("/public/offers/v1/events/categories", &[(Method::GET, Action::ListEventCategories)]),
    ("/public/offers/v1/events/{id}", &[(Method::GET, Action::ShowEvent), (Method::PATCH, Action::EditEvent)]),
    (
        "/public/offers/v1/events/{id}/price_categories",
        &[(Method::GET, Action::ListPriceCategories), (Method::POST, Action::AddPriceCategories)],
    ),
    ("/public/offers/v1/events/{id}/price_categories/{sub}", &[(Method::PATCH, Action::EditPriceCategory)]),
    ("/public/offers/v1/events/{id}/dates", &[(Method::GET, Action::ListDates), (Method::POST, Action::AddDates)]),
    (
        "/public/offers/v1/events/{id}/dates/{sub}",
        &[(Method::PATCH, Action::EditDate), (Method::DELETE, Action::DeleteDate)],
    ),
    ("/public/offers/v1/show_types", &[(Method::GET, Action::ListShowTypes)]),
    ("/public/offers/v1/music_types/all", &[(Method::GET, Action::ListMusicTypes)]),
    ("/public/offers/v1/music_types/event", &[(Method::GET, Action::ListEventMusicTypes)]),
    ("/public/bookings/v1/bookings", &[(Method::GET, Action::ListBookings)]),
    ("/public/bookings/v1/token/{text}", &[(Method::GET, Action::ShowToken)]),
    ("/public/bookings/v1/use/token/{text}", &[(Method::PATCH, Action::UseToken)]),
    ("/public/bookings/v1/keep/token/{text}", &[(Method::PATCH, Action::KeepToken)]),
    ("/public/bookings/v1/cancel/token/{text}", &[(Method::PATCH, Action::CancelToken)]),
];

/// A path that the table knows.
#[derive(Debug)]
pub(crate) struct Target<'p> {
    pub(crate) pattern: &'static str,
    pub(crate) id: i64,
    pub(crate) sub: i64,
    pub(crate) text: &'p str,
    methods: &'static [(Method, Action)],
}

impl Target<'_> {
    /// What the method does here; `HEAD` is a `GET` whose body the server drops.
    pub(crate) fn action(&self, method: &Method) -> Option<Action> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.methods.iter().find(|(m, _)| m == method).map(|(_, action)| *action)
    }

    pub(crate) fn reads_body(&self, method: &Method) -> bool {
        self.action(method).is_some_and(Action::has_body)
    }
}

/// Finds the path's row. One slash at the end is forgiven, as the backend does.
pub(crate) fn resolve(path: &str) -> Option<Target<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    TABLE.iter().find_map(|(pattern, methods)| matched(pattern, methods, path))
}

fn matched<'p>(pattern: &'static str, methods: &'static [(Method, Action)], path: &'p str) -> Option<Target<'p>> {
    let mut target = Target { pattern, id: 0, sub: 0, text: "", methods };
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(target),
            (Some(name @ ("{id}" | "{sub}")), Some(segment)) => {
                if segment.is_empty() || !segment.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                // Beyond 64 bits no row can have this id.
                let number = segment.parse().unwrap_or(i64::MAX);
                *(if name == "{id}" { &mut target.id } else { &mut target.sub }) = number;
            }
            (Some("{text}"), Some(segment)) if !segment.is_empty() => target.text = segment,
            (Some(a), Some(b)) if a == b => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve_as_in_the_backend() {
        for (path, pattern) in [
            ("/public/offers/v1/products/ean", Some("/public/offers/v1/products/ean")),
            ("/public/offers/v1/products/ean/", Some("/public/offers/v1/products/ean")),
            ("/public/offers/v1/products/12", Some("/public/offers/v1/products/{id}")),
            ("/public/offers/v1/products/x", None),
            ("/public/offers/v1/products/-1", None),
            ("/public/offers/v1/venues/", None),
            ("/public/offers/v1/addresses/search", Some("/public/offers/v1/addresses/search")),
            ("/", None),
        ] {
            assert_eq!(resolve(path).map(|t| t.pattern), pattern, "{path}");
        }
    }
}
