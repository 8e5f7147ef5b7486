//! Events: made, read, listed, changed.
//!
//! Invariant: an event is a draft until its first dates, and whether it has tickets never changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::categories::{CategoryBody, EVENTS, Purpose, event_category, read_variant};
use super::errors::{Answer, Errors, Outcome, Validator, problem};
use super::images;
use super::offer::{Details, Event, Offer, OfferKind, PriceCategory, Validation};
use super::offer_body::{
    CREATION_FIELDS, Change, CommonBody, EDITION_FIELDS, all_flags, optional, read_bool, read_creation, read_edition,
    read_int, read_url,
};
use super::offer_rules::{
    Candidate, Found, check_changeable, check_contact, check_offer, check_price, check_publication, find_place,
    find_venue, has_own_ticketing, has_ticketing, on_the_minute, too_many,
};
use super::price_categories::{NewPriceCategory, price_category_json, read_new};
use super::products::common_json;
use super::server::{Call, object_body};
use super::state::{MAX_OFFERS, World};
use super::validate::{Fields, Loc, datetime_in};

const NO_TICKETING: &str = "You cannot create an event with `has_ticket=true` because you dont have a ticketing service enabled (neither at provider level nor at venue level).";
const NO_TICKETING_EDIT: &str = "Vous devez supporter l'interface de billeterie pour créer des offres avec billet";
const BOTH_DATES: &str = "You cannot set both `publicationDate` and `publicationDatetime`. `publicationDate` is deprecated, please only use `publicationDatetime`.";
const MINUTES_OF_A_DAY: i64 = 1440;
const TOO_LONG: &str = "The duration must be under 1440 minutes (24 hours). For events lasting 24 hours or more (e.g., a 3-day festival pass), please leave this field empty.";
const NOT_YOUTUBE: &str =
    "Your video must be from the Youtube plateform, it should be public and should not be a short nor a user's profile";

/// The event of an id, when the account may see it.
///
/// # Errors
/// 404 under `event_id` with `message`.
pub(super) fn visible_event<'w>(
    world: &'w World,
    call: &Call,
    id: i64,
    message: &str,
) -> Result<(&'w Offer, &'w Event), Answer> {
    let offer = world.visible_offer(call.account, id);
    offer
        .and_then(|offer| offer.event().map(|event| (offer, event)))
        .ok_or_else(|| Answer::listed(404, "event_id", message))
}

const NOT_FOUND: &str = "The event offer could not be found";

/// `GET /public/offers/v1/events/{id}`
pub(crate) fn show(world: &World, call: &Call, id: i64) -> Outcome {
    let (offer, _) = visible_event(world, call, id, NOT_FOUND)?;
    Ok(Answer::ok(event_json(world, offer, call)))
}

/// `GET /public/offers/v1/events`
pub(crate) fn list(world: &World, call: &Call) -> Outcome {
    let rows = super::products::page(world, call, Validator::Old, Offer::is_event)?;
    let rows: Vec<Value> = rows.into_iter().map(|offer| event_json(world, offer, call)).collect();
    Ok(Answer::ok(json!({ "events": rows })))
}

fn event_json(world: &World, offer: &Offer, call: &Call) -> Value {
    let mut shown = common_json(world, offer, call);
    if let Some(event) = offer.event() {
        let categories: Vec<Value> = event.price_categories.iter().map(price_category_json).collect();
        shown.insert("eventDuration".to_owned(), json!(event.duration));
        shown.insert("hasTicket".to_owned(), json!(event.has_ticket));
        shown.insert("videoUrl".to_owned(), json!(event.video_url));
        shown.insert("priceCategories".to_owned(), json!(categories));
    }
    Value::Object(shown)
}

/// A creation, well formed.
struct Creation {
    common: CommonBody,
    category: Option<CategoryBody>,
    has_ticket: bool,
    duration: Option<i64>,
    video_url: Option<String>,
    price_categories: Vec<NewPriceCategory>,
    /// The deprecated field's value, which may be naive.
    publication_date: Option<Value>,
}

fn read_new_event(call: &Call) -> Result<Creation, Answer> {
    let now = call.now;
    let body = object_body(&call.body, "EventOfferCreation")?;
    let fields = Fields::of(body);
    let truthy = |name| fields.exact(name).is_some_and(|value| !value.is_null() && value != "");
    if truthy("publicationDate") && truthy("publicationDatetime") {
        return Err(Answer::listed(400, "__root__", BOTH_DATES));
    }
    let mut errors = Errors::default();
    let own = ["eventDuration", "hasTicket", "priceCategories", "publicationDate", "videoUrl"];
    let known: Vec<&str> = CREATION_FIELDS.iter().copied().chain(own).collect();
    let common = read_creation(&fields, now, &mut errors);
    let category = match fields.required("categoryRelatedFields", &Loc::Root, &mut errors) {
        Some(value) => read_variant(value, &EVENTS, Purpose::Create, &mut errors),
        None => None,
    };
    let has_ticket = fields
        .required("hasTicket", &Loc::Root, &mut errors)
        .and_then(|value| read_bool(value, "hasTicket", &mut errors))
        .unwrap_or(false);
    let duration = read_duration(&fields, call, &mut errors).flatten();
    let video_url = optional(&fields, "videoUrl", &mut errors, read_video).flatten();
    let price_categories = match fields.present("priceCategories") {
        Some(value) => read_new(value, &mut errors),
        None => Vec::new(),
    };
    let publication_date = fields.present("publicationDate").cloned();
    fields.refuse_extra(&known, problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;
    Ok(Creation { common, category, has_ticket, duration, video_url, price_categories, publication_date })
}

/// Minutes. A day and more is refused since January 2026; 0 and less never was.
fn read_duration(fields: &Fields<'_>, call: &Call, errors: &mut Errors) -> Change<i64> {
    let duration = optional(fields, "eventDuration", errors, read_int);
    if call.generation.bounds_durations() && duration.flatten().is_some_and(|minutes| minutes >= MINUTES_OF_A_DAY) {
        errors.add("eventDuration", TOO_LONG);
    }
    duration
}

fn read_video(value: &Value, key: &str, errors: &mut Errors) -> Option<String> {
    let text = read_url(value, key, errors)?;
    if youtube_id(&text).is_none() {
        errors.add(key, NOT_YOUTUBE);
        return None;
    }
    Some(text)
}

/// The id of a video's address; none for a short or a profile.
fn youtube_id(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let host = url.host_str()?;
    let id = match host.trim_start_matches("www.").trim_start_matches("m.") {
        "youtube.com" if url.path() == "/watch" => url.query_pairs().find(|(key, _)| key == "v")?.1.into_owned(),
        "youtu.be" => url.path().trim_start_matches('/').to_owned(),
        _ => return None,
    };
    let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    (id.len() == 11 && plain).then_some(id)
}

/// `POST /public/offers/v1/events`
pub(crate) fn create(world: &mut World, call: &Call) -> Outcome {
    let Creation { mut common, category, has_ticket, duration, video_url, price_categories, publication_date } =
        read_new_event(call)?;
    let location = common.location.take().ok_or_else(Answer::crash)?;
    let CategoryBody { category, fields } = category.ok_or_else(Answer::crash)?;
    let venue = find_venue(world, call.account, &location)?;
    if has_ticket && !has_ticketing(world, call.account, venue) {
        return Err(Answer::plain(400, "global", NO_TICKETING));
    }
    let place = find_place(world, call.account, location)?;
    let name = common.name.take().unwrap_or_default();
    // Two seats at once are the rule for events; a category without duo must say so.
    let duo = common.duo.unwrap_or(Some(true)).unwrap_or(false);
    let publication = match publication_date {
        Some(value) => Some(read_publication_date(&value, world.zone(venue))?),
        None => common.publication.unwrap_or(Some(call.now)),
    };
    let (booking_allowed, image) = (common.booking_allowed.flatten(), common.image.take());
    let details = Details { category_fields: fields, ..new_details(common, place.url.clone(), duo) };
    check_contact(category, &details)?;
    check_offer(world, &Candidate { id: None, venue, name: &name, category, details: &details })?;
    for price_category in &price_categories {
        check_price(world.venues.get(&venue), price_category.price)?;
    }
    let image = image.map(images::check_json).transpose()?;
    check_publication(publication, call.now)?;
    if world.offers.len() >= MAX_OFFERS {
        return Err(too_many());
    }
    let id = world.next_id();
    let price_categories = price_categories.into_iter().map(|new| new.with_id(world.next_id())).collect();
    let image = image.map(|checked| checked.keep(world));
    world.insert_offer(Offer {
        id,
        venue,
        owner: call.account,
        name: name.into(),
        category: category.id.into(),
        ean: None,
        validation: Validation::Draft,
        publication: publication.map(on_the_minute),
        booking_allowed,
        address: place.address,
        details: Some(Box::new(Details { image, ..details })),
        kind: OfferKind::Event(Box::new(Event {
            has_ticket,
            duration,
            video_url,
            price_categories,
            ..Event::default()
        })),
    });
    world.offers.get(&id).map(|offer| Answer::ok(event_json(world, offer, call))).ok_or_else(Answer::crash)
}

/// The details of a creation.
pub(super) fn new_details(common: CommonBody, url: Option<String>, duo: bool) -> Details {
    Details {
        id_at_provider: common.id_at_provider.flatten(),
        description: common.description.flatten(),
        accessibility: all_flags(common.accessibility),
        booking_contact: common.booking_contact.flatten(),
        booking_email: common.booking_email.flatten(),
        duo,
        ticket_office_url: common.ticket_office_url.flatten(),
        collection_details: common.collection_details.flatten(),
        url,
        ..Details::default()
    }
}

/// The deprecated field: a naive moment is in the venue's zone.
fn read_publication_date(value: &Value, zone: &str) -> Result<Timestamp, Answer> {
    datetime_in(value, zone).map_err(|problem| Answer::listed(400, "publicationDate", problem.of(value).in_old_words()))
}

/// `PATCH /public/offers/v1/events/{id}`
pub(crate) fn edit(world: &mut World, call: &Call, id: i64) -> Outcome {
    let body = object_body(&call.body, "EventOfferEdition")?;
    let fields = Fields::of(body);
    let mut errors = Errors::default();
    let own = ["eventDuration", "videoUrl"];
    let known: Vec<&str> = EDITION_FIELDS.iter().copied().chain(own).collect();
    let mut common = read_edition(&fields, call.now, &mut errors);
    if fields.get("name").is_some_and(Value::is_null) {
        errors.add("name", "cannot be null");
    }
    let category = fields
        .present("categoryRelatedFields")
        .and_then(|value| read_variant(value, &EVENTS, Purpose::Edit, &mut errors));
    let duration = read_duration(&fields, call, &mut errors);
    let video_url: Change<String> = optional(&fields, "videoUrl", &mut errors, read_video);
    fields.refuse_extra(&known, problem::EXTRA, &Loc::Root, &mut errors);
    errors.finish()?;

    let (offer, event) = visible_event(world, call, id, NOT_FOUND)?;
    let edited = Edited::of(world, call, offer, &mut common, category, event_category(&offer.category))?;
    if event.has_ticket && edited.touches_withdrawal && !has_own_ticketing(world, call.account) {
        return Err(Answer::listed(400, "offer", NO_TICKETING_EDIT));
    }
    let id = offer.id;
    edited.keep(world, id);
    let Some(offer) = world.offers.get_mut(&id) else { return Err(Answer::crash()) };
    if let Some(event) = offer.event_mut() {
        if let Some(duration) = duration {
            event.duration = duration;
        }
        if let Some(video_url) = video_url {
            event.video_url = video_url;
        }
    }
    world.offers.get(&id).map(|offer| Answer::ok(event_json(world, offer, call))).ok_or_else(Answer::crash)
}

/// An offer as an edition leaves it, checked, not yet kept.
pub(super) struct Edited {
    name: Option<String>,
    details: Details,
    place: Option<Found>,
    publication: Change<Timestamp>,
    booking_allowed: Change<Timestamp>,
    image: Option<images::Checked>,
    pub(super) touches_withdrawal: bool,
}

impl Edited {
    /// Applies an edition to a copy of the offer's details and checks it.
    pub(super) fn of(
        world: &World,
        call: &Call,
        offer: &Offer,
        common: &mut CommonBody,
        category: Option<CategoryBody>,
        current: Option<&'static super::categories::Category>,
    ) -> Result<Self, Answer> {
        let current = current.ok_or_else(Answer::crash)?;
        if category.as_ref().is_some_and(|body| body.category.id != current.id) {
            return Err(Answer::listed(400, "categoryRelatedFields.category", "The category cannot be changed"));
        }
        let place = common.location.take().map(|location| find_place(world, call.account, location)).transpose()?;
        check_changeable(world, offer)?;
        let touches_withdrawal = common.booking_contact.is_some() || common.collection_details.is_some();
        let mut details = offer.details.as_deref().cloned().unwrap_or_default();
        set(&mut details.booking_contact, common.booking_contact.take());
        set(&mut details.booking_email, common.booking_email.take());
        set(&mut details.description, common.description.take());
        set(&mut details.collection_details, common.collection_details.take());
        set(&mut details.id_at_provider, common.id_at_provider.take());
        if let Some(duo) = common.duo {
            details.duo = duo.unwrap_or(false);
        }
        for (kept, sent) in details.accessibility.iter_mut().zip(common.accessibility) {
            *kept = sent.unwrap_or(*kept);
        }
        if let Some(body) = category {
            details.category_fields.extend(body.fields);
        }
        // An event's address on the network is forgotten by every edition that does not repeat it.
        if offer.is_event() {
            details.url = place.as_ref().and_then(|place| place.url.clone());
        }
        if touches_withdrawal {
            check_contact(current, &details)?;
        }
        let name = common.name.take();
        let shown = name.as_deref().unwrap_or(&offer.name);
        let venue = place.as_ref().map_or(offer.venue, |place| place.venue);
        let candidate = Candidate { id: Some(offer.id), venue, name: shown, category: current, details: &details };
        check_offer(world, &candidate)?;
        let image = common.image.take().map(images::check_json).transpose()?;
        let publication = match (common.publication, common.active) {
            (None, Some(active)) => Some(active.then_some(call.now)),
            (publication, _) => publication,
        };
        let booking_allowed = common.booking_allowed;
        Ok(Self { name, details, place, publication, booking_allowed, image, touches_withdrawal })
    }

    /// Writes it.
    pub(super) fn keep(self, world: &mut World, id: u64) {
        let Self { name, mut details, place, publication, booking_allowed, image, .. } = self;
        if let Some(image) = image {
            details.image = Some(image.keep(world));
        }
        let World { offers, by_provider_id, .. } = world;
        let Some(offer) = offers.get_mut(&id) else { return };
        if let Some(old) = offer.id_at_provider() {
            by_provider_id.remove(&(offer.venue, old.to_owned()));
        }
        if let Some(name) = name {
            offer.name = name.into();
        }
        if let Some(place) = place {
            offer.venue = place.venue;
            offer.address = place.address;
        }
        if let Some(publication) = publication {
            offer.publication = publication;
        }
        if let Some(booking_allowed) = booking_allowed {
            offer.booking_allowed = booking_allowed;
        }
        offer.details = Some(Box::new(details));
        if let Some(new) = offer.id_at_provider() {
            by_provider_id.insert((offer.venue, new.to_owned()), id);
        }
    }
}

fn set<T>(kept: &mut Option<T>, change: Change<T>) {
    if let Some(value) = change {
        *kept = value;
    }
}

impl NewPriceCategory {
    /// The row that is kept.
    pub(super) fn with_id(self, id: u64) -> PriceCategory {
        PriceCategory { id, label: self.label, price: self.price, id_at_provider: self.id_at_provider }
    }
}
