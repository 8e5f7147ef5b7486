# What the tests find in the real pretix: an invented organizer, a series, an event with one date, and two teams.
# Written line by line for `pretix shell`, which reads it from its standard input.
import datetime, json, os
from decimal import Decimal
from django_scopes import scopes_disabled
from pretix.base.models import CheckinList, Event, Item, ItemVariation, Organizer, Quota, SubEvent, SubEventItem
from pretix.base.models.organizer import Team, TeamAPIToken

def seed():
    evening = datetime.datetime.now(datetime.timezone.utc).replace(hour=19, minute=0, second=0, microsecond=0) + datetime.timedelta(days=30)
    def quota(event, size, items, kinds=(), date=None):
        made = Quota.objects.create(event=event, name="jauge", size=size, subevent=date)
        made.items.set(items)
        made.variations.set(kinds)
    def event(slug, series, **names):
        made = Event.objects.create(organizer=organizer, slug=slug, name=names, currency="EUR", date_from=evening, has_subevents=series, plugins="pretix.plugins.checkinlists")
        made.settings.set("timezone", "Europe/Paris")
        made.settings.set("locales", list(names))
        made.settings.set("locale", list(names)[0])
        return made
    organizer = Organizer.objects.create(slug="atelier", name="Atelier des Brumes")
    house = Team.objects.create(organizer=organizer, name="house", all_events=True, all_event_permissions=True, all_organizer_permissions=True)
    TeamAPIToken.objects.create(team=house, name="house", token="jeton-fictif-de-la-maison")
    # No more than the adapter's README asks for.
    rights = {"event.orders:read": True, "event.orders:write": True}
    gateway = Team.objects.create(organizer=organizer, name="gateway", all_events=True, limit_event_permissions=rights)
    TeamAPIToken.objects.create(team=gateway, name="gateway", token="jeton-fictif-de-la-passerelle")
    series = event("hirondelle", True, fr="L'Hirondelle des quais", en="The Swallow")
    seat = Item.objects.create(event=series, name={"fr": "Tarif pass Culture"}, default_price=Decimal("12.00"), admission=True)
    kinds = Item.objects.create(event=series, name={"fr": "Place par zone"}, default_price=Decimal("20.00"), admission=True)
    front = ItemVariation.objects.create(item=kinds, value={"fr": "Parterre"}, default_price=Decimal("25.00"))
    back = ItemVariation.objects.create(item=kinds, value={"fr": "Balcon"}, position=1)
    book = Item.objects.create(event=series, name={"fr": "Programme"}, default_price=Decimal("3.00"), admission=False)
    dates = {}
    for at, (name, size) in enumerate([("open", 60), ("five", 5), ("none", 0), ("ten", 10), ("unlimited", None), ("dearer", 20), ("off", 20)]):
        date = SubEvent.objects.create(event=series, active=name != "off", name={"fr": "Soirée"}, date_from=evening + datetime.timedelta(days=at))
        quota(series, size, [seat, kinds, book], [front, back], date)
        dates[name] = date.pk
        if name == "five":
            quota(series, 2, [kinds], [front], date)
        if name == "dearer":
            SubEventItem.objects.create(subevent=date, item=seat, price=Decimal("14.50"))
    door = CheckinList.objects.create(event=series, name="Porte", all_products=True)
    series.live = True
    series.save()
    single = event("fanfare", False, en="The Brass Band")
    stand = Item.objects.create(event=single, name={"en": "Standing"}, default_price=Decimal("15.00"), admission=True)
    quota(single, 30, [stand])
    single.live = True
    single.save()
    told = {"dates": dates, "seat": seat.pk, "kinds": kinds.pk, "front": front.pk, "back": back.pk, "door": door.pk, "stand": stand.pk}
    with open(os.environ["SEED_OUT"], "w") as out:
        json.dump(told, out)

with scopes_disabled():
    seed()

