"""The pages of the engine beside admin and API: what people answer by a one-time link."""

from django.urls import path

from workflows.answer_page import answer_page

urlpatterns = [path("answer/<str:token>", answer_page, name="answer")]
