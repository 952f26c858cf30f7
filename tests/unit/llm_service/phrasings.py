"""How callers ask, for two businesses: what the floor of the faq engine was measured on.

For each item of knowledge, phrasings that are none of its questions; and turns that no item answers, among
them near misses ("How much does a root canal cost?", where only a cleaning has a price). Written for this
purpose; none comes from a recording.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import KnowledgeItem


@dataclass(frozen=True, slots=True)
class Business:
    """What it knows; `asked[i]` are ways to ask for `knowledge[i]`, `unknown` is answered by nothing."""

    knowledge: tuple[KnowledgeItem, ...]
    asked: tuple[tuple[str, ...], ...]
    unknown: tuple[str, ...]


DENTIST = Business(
    knowledge=(
        KnowledgeItem(
            questions=(
                "What are your opening hours?",
                "When are you open?",
                "What time do you close?",
            ),
            answer="We are open Monday to Friday from eight in the morning to six in the evening.",
        ),
        KnowledgeItem(
            questions=(
                "Are you open on Saturday?",
                "Are you open at the weekend?",
                "What are your opening hours on Saturday?",
            ),
            answer="On Saturday we are open from nine to one. On Sunday we are closed.",
        ),
        KnowledgeItem(
            questions=(
                "How much does a cleaning cost?",
                "What do you charge for a cleaning?",
            ),
            answer="A cleaning costs ninety dollars and takes forty minutes.",
        ),
        KnowledgeItem(
            questions=(
                "How much does teeth whitening cost?",
                "Do you offer whitening?",
            ),
            answer="Whitening costs two hundred and forty dollars.",
        ),
        KnowledgeItem(
            questions=(
                "Is there parking near the practice?",
                "Where can I park?",
            ),
            answer="There is free parking behind the building.",
        ),
        KnowledgeItem(
            questions=(
                "Which insurance do you accept?",
                "Do you take my insurance?",
            ),
            answer="We accept most dental insurance plans, and we bill them directly.",
        ),
        KnowledgeItem(
            questions=(
                "Where are you located?",
                "What is your address?",
                "How do I find you?",
            ),
            answer="We are at twelve Maple Street, next to the library.",
        ),
        KnowledgeItem(
            questions=(
                "I have a toothache, can someone see me today?",
                "I have a dental emergency.",
                "My tooth broke and it hurts.",
            ),
            answer="For an emergency we keep time free every day. A dentist will see you within the hour.",
        ),
        KnowledgeItem(
            questions=(
                "Do you treat children?",
                "Is there a dentist for kids?",
            ),
            answer="Yes, we treat children from the age of two.",
        ),
        KnowledgeItem(
            questions=(
                "How do I cancel or move an appointment?",
                "I want to reschedule my appointment.",
            ),
            answer="You can move or cancel an appointment free of charge until a day before.",
        ),
        KnowledgeItem(
            questions=(
                "I would like to book an appointment.",
                "How can I make an appointment?",
                "When is your next free appointment?",
            ),
            answer="I can take your name and number, and the front desk calls you back to book.",
        ),
        KnowledgeItem(
            questions=(
                "What should I bring to my first visit?",
                "Do new patients have to fill out forms?",
            ),
            answer="Please bring your insurance card and come ten minutes early for the forms.",
        ),
        KnowledgeItem(
            questions=(
                "How long do I have to wait before I can eat?",
                "Can I eat after a filling?",
            ),
            answer="Please wait two hours before you eat, until the numbness is gone.",
        ),
        KnowledgeItem(
            questions=(
                "How can I pay?",
                "Do you take credit cards?",
            ),
            answer="You can pay by card, in cash, or in three monthly parts.",
        ),
    ),
    asked=(
        (
            "When do you open in the morning?",
            "What time are you open until today?",
            "Could you tell me your hours please?",
            "Hi, how late are you open on weekdays?",
            "until when are you there on Friday",
        ),
        (
            "Hi, are you open on Saturday mornings?",
            "Can I come on the weekend?",
            "Do you work Saturdays?",
            "Are you there on Sunday?",
            "what about saturday hours",
            "What are your opening hours on Saturday?",
        ),
        (
            "What's the price of a cleaning?",
            "How much would I pay to get my teeth cleaned?",
            "how much is a cleaning",
            "I wanted to know what a hygiene cleaning costs.",
            "Hello, um, can you tell me how much a cleaning is?",
        ),
        (
            "How much does teeth whitening cost without insurance?",
            "What's the price for whitening my teeth?",
            "Do you do teeth bleaching?",
            "How expensive is whitening?",
        ),
        (
            "Is there anywhere I can park near the practice?",
            "Do you have a parking lot?",
            "Where do I leave my car?",
            "Is parking free?",
        ),
        (
            "Do you accept my insurance, or do I pay up front?",
            "Sorry, can I also ask about insurance?",
            "Do you work with Delta Dental?",
            "Is this covered by my insurance plan?",
            "what insurance plans do you take",
        ),
        (
            "Could you give me your address again, please?",
            "Where is your practice?",
            "How do I get to you?",
            "What street are you on?",
            "where exactly is your office",
        ),
        (
            "I broke a tooth this morning, and it really hurts. Can someone see me today?",
            "I'm not in pain, but my filling came out last night.",
            "My tooth is killing me, I need to see someone right now.",
            "I have really bad tooth pain.",
            "It's an emergency, I knocked out a tooth.",
        ),
        (
            "Does the dentist see children under five?",
            "Can I bring my daughter, she is seven?",
            "Do you see kids?",
            "Is my four year old too young to come?",
        ),
        (
            "I need to move my appointment from March twenty-first to the week after.",
            "I have to cancel my appointment tomorrow.",
            "Can I change the time of my appointment?",
            "I can't make it on Thursday, can we reschedule?",
        ),
        (
            "I'd like to book a checkup for next Tuesday afternoon, please.",
            "Can I get an appointment this week?",
            "I'd like to schedule a visit.",
            "Do you have anything free on Monday?",
            "Do you have anything on the second of October?",
        ),
        (
            "I haven't been there before. Do I need to fill out any forms?",
            "I'm a new patient, what do I need to bring?",
            "What documents do I need for my first appointment?",
        ),
        (
            "How long do I have to wait before I can eat again?",
            "When can I eat after the treatment?",
        ),
        (
            "Can I pay with Visa?",
            "Do you accept cash?",
            "Can I pay in installments?",
            "What payment methods do you have?",
        ),
    ),
    unknown=(
        "No, I don't want to cancel. I just need a later time.",
        "My phone number is five five five, zero one four two.",
        "It's for my daughter. She's seven, and a little nervous.",
        "Please don't book anything before ten thirty in the morning.",
        "What is the capital of France?",
        "Tell me a joke.",
        "How is the weather today?",
        "Do you sell shoes?",
        "Who won the football game last night?",
        "Can I bring my dog?",
        "How old are you?",
        "Are you a robot?",
        "Can I speak to a human?",
        "My name is John Smith.",
        "Yes.",
        "No, thank you.",
        "Okay, great.",
        "Thank you very much.",
        "Hmm, let me think.",
        "Can you repeat that?",
        "Sorry, what did you say?",
        "What is the name of the dentist?",
        "Do you have a wheelchair ramp?",
        "How long have you been in business?",
        "Do you speak Spanish?",
        "Are you hiring right now?",
        "I want to order a pizza.",
        "Can you recommend a good restaurant nearby?",
        "Do I need a new toothbrush?",
        "How often should I floss?",
        "Do you do braces?",
        "How much does a root canal cost?",
        "What does a crown cost?",
        "How much is an implant?",
        "Is the X-ray safe if I am pregnant?",
        "I want to speak to Doctor Miller.",
        "Can you send me a text message?",
        "My email is john at example dot com.",
        "I left my jacket at your office.",
        "I want to complain about my last bill.",
        "What's two plus two?",
        "I'd like to buy a car.",
        "Is the library open on Saturday?",
        "Does the pharmacy next door take insurance?",
        "Hello?",
        "Hi, good morning.",
        "Um, yes, I wanted to ask something.",
        "Do you offer gift cards?",
        "Can I have a copy of my records?",
        "Are you accepting new patients?",
    ),
)

HOTEL = Business(
    knowledge=(
        KnowledgeItem(
            questions=(
                "When can I check in?",
                "What time is check-in?",
                "Can I come earlier to my room?",
            ),
            answer="Rooms are ready from three in the afternoon. Ask us on the day for an earlier time.",
        ),
        KnowledgeItem(
            questions=(
                "When do I have to check out?",
                "What time is check-out?",
                "Can I stay longer on the last day?",
            ),
            answer="Check-out is at eleven. Until two it costs thirty dollars more.",
        ),
        KnowledgeItem(
            questions=(
                "Is breakfast included?",
                "When is breakfast served?",
                "How much is breakfast?",
            ),
            answer="Breakfast is served from six thirty to ten, and is included in every room rate.",
        ),
        KnowledgeItem(
            questions=(
                "Do you allow dogs?",
                "Can I bring my pet?",
            ),
            answer="Dogs are welcome for twenty dollars a night. Other pets have to stay at home.",
        ),
        KnowledgeItem(
            questions=(
                "Do you have a shuttle from the airport?",
                "How do I get there from the airport?",
            ),
            answer="Our shuttle leaves the airport every hour, from the stop outside terminal two.",
        ),
        KnowledgeItem(
            questions=(
                "Is there wireless internet in the rooms?",
                "What is the wifi password?",
            ),
            answer="Wireless internet is free everywhere. The password is on your key card.",
        ),
        KnowledgeItem(
            questions=(
                "Do you have a pool?",
                "When is the gym open?",
                "Is there a sauna?",
            ),
            answer="The pool, the sauna and the gym on the top floor are open from seven to ten.",
        ),
        KnowledgeItem(
            questions=(
                "How do I cancel my reservation?",
                "Do I get my money back when I cancel?",
            ),
            answer="You can cancel free of charge until six in the evening on the day before.",
        ),
        KnowledgeItem(
            questions=(
                "Do you have a room for tonight?",
                "I would like to book a room.",
            ),
            answer="I can take your name and number, and the front desk calls you back with a price.",
        ),
        KnowledgeItem(
            questions=(
                "Can I park my car at the hotel?",
                "What does the garage cost?",
            ),
            answer="The garage under the hotel costs fifteen dollars a night.",
        ),
    ),
    asked=(
        (
            "How early can we get into the room?",
            "Our flight lands at noon, could we check in then?",
            "Hi there. What time can I check in tomorrow?",
        ),
        (
            "When do we need to be out of the room?",
            "Is a late checkout possible?",
            "Okay, thank you. And what time is checkout?",
        ),
        (
            "Does the price include breakfast?",
            "Until when can I get breakfast?",
            "Do I have to pay extra for breakfast?",
            "Great. One more thing, is breakfast included?",
        ),
        (
            "Can I bring my dog?",
            "Are pets allowed in the rooms?",
            "We travel with a small dog, is that a problem?",
            "Do you take cats?",
        ),
        (
            "Is there a bus from the airport to the hotel?",
            "Can someone pick us up at the airport?",
            "How often does the airport shuttle run?",
        ),
        (
            "Do you have wifi?",
            "I can't get on the internet, what's the password?",
            "Is the internet free?",
        ),
        (
            "Do you have a swimming pool?",
            "Until when can I use the gym?",
            "Is there a fitness room?",
            "What time does the pool open?",
        ),
        (
            "I have to cancel my booking.",
            "Is there a fee if I cancel?",
            "Until when can I cancel for free?",
        ),
        (
            "I need a room for two nights.",
            "Do you have anything free next weekend?",
            "I'd like to make a reservation.",
            "Can I book a double room for Friday?",
        ),
        (
            "Is there parking at the hotel?",
            "How much is parking?",
            "Where can I leave my car overnight?",
        ),
    ),
    unknown=(
        "What is the capital of Spain?",
        "Can you sing a song?",
        "My name is Maria Lopez.",
        "Who is the manager?",
        "Yes, please.",
        "No, that's all.",
        "Okay, I understand.",
        "Hello, can you hear me?",
        "Do you have a conference room for fifty people?",
        "Is there a cinema nearby?",
        "My room number is four twelve.",
        "The air conditioning in my room does not work.",
        "I lost my key card.",
        "Can you wake me up at six?",
        "Do you sell train tickets?",
        "How tall is the tower?",
        "Is the museum open on Monday?",
        "What's the weather like tomorrow?",
        "I need a doctor.",
        "Can I get a discount for students?",
        "Do you have a baby cot?",
        "How many floors does the hotel have?",
        "Can you send up some towels?",
        "What is your fax number?",
        "I want to talk to a person.",
        "Could you speak more slowly?",
        "Are you a computer?",
        "How much is a taxi to the city?",
        "Two adults and one child.",
        "From the third to the fifth of June.",
    ),
)
